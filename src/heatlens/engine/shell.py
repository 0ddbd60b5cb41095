"""A network that another framework runs, as a torch module: what its layers say goes through taps.

A tap is a module without weights, named like the layer.  Whoever hooks it sees what the layer says, and may answer something
else, from which the framework then goes on.  So capture, replay and gradients need to know nothing of the framework.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import EvidenceMissing
from ..trees import Tree

Values = dict[str, Tensor]


class Runtime(Protocol):
    """What runs the network."""

    name: str
    """What it is called in messages."""
    kinds: Mapping[str, str]
    """Its layers in the order in which they are computed, and what each of them is."""

    def run(self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str]) -> tuple[Values, list[Tensor]]:
        """What these layers say, and the outputs, where the layers `given` say what is given."""

    def crossing(self, layer: str) -> Iterable[str]:
        """The layers whose answers, with that of `layer`, spare the network in front of it."""

    def pulled(
        self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str], flows: Sequence[Tensor]
    ) -> list[Tensor]:
        """What flows into what is wanted and the outputs, sent back to the images and to what is given.

        `EvidenceMissing` where the framework knows no gradients.
        """


class Shell(nn.Module):
    """A network of another framework.  Hooks belong on its taps."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime
        for name, kind in runtime.kinds.items():
            self.add_module(name, type(kind, (_Tap,), {})())

    def forward(self, images: Tensor) -> Tree:
        taps = {name: tap for name, tap in self.named_children() if _watched(tap)}
        given = {name: tap(None) for name, tap in taps.items() if _answers(tap)}
        listening = [name for name in taps if name not in given]
        values, outputs = self._run(images, given, listening)
        for place, name in enumerate(listening):
            said = values[name]
            answer = taps[name](said)
            if answer.requires_grad or not (answer is said or torch.equal(answer, said)):
                given[name] = answer
                rest, outputs = self._run(images, given, listening[place + 1 :])
                values |= rest
        return outputs[0] if len(outputs) == 1 else outputs

    def crossing(self, layer: nn.Module) -> set[nn.Module]:
        """The taps that a replay from this one needs answered."""
        taps = dict(self.named_children())
        name = next(name for name, tap in taps.items() if tap is layer)
        return {layer, *(taps[other] for other in self.runtime.crossing(name) if other in taps)}

    def _run(self, images: Tensor, given: Values, wanted: Sequence[str]) -> tuple[Values, list[Tensor]]:
        entering = [images, *given.values()]
        if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in entering)):
            return self.runtime.run(images, given, wanted)
        found = _Run.apply(self.runtime, tuple(given), tuple(wanted), *entering)
        return dict(zip(wanted, found, strict=False)), list(found[len(wanted) :])


class _Tap(nn.Module):
    def forward(self, said: Tensor) -> Tensor:
        return said


class _Run(torch.autograd.Function):
    """One run of the framework as one operation of torch."""

    @staticmethod
    def forward(ctx: Any, runtime: Runtime, names: tuple[str, ...], wanted: tuple[str, ...], *entering: Tensor) -> Any:
        ctx.asked = runtime, names, wanted
        ctx.save_for_backward(*entering)
        values, outputs = runtime.run(entering[0], dict(zip(names, entering[1:], strict=True)), wanted)
        return (*(values[name] for name in wanted), *outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *flows: Tensor) -> Any:
        runtime, names, wanted = ctx.asked
        images, *given = ctx.saved_tensors
        return (None, None, None, *runtime.pulled(images, dict(zip(names, given, strict=True)), wanted, flows))


def no_gradients(runtime: str) -> EvidenceMissing:
    """What is said when gradients are asked of a framework that has none."""
    return EvidenceMissing(
        f"gradients were asked of {runtime}, which has none", "a method without gradients", "See: heatlens methods"
    )


def _watched(tap: nn.Module) -> bool:
    return bool(tap._forward_hooks or tap._forward_pre_hooks) or _answers(tap)


def _answers(tap: nn.Module) -> bool:
    """Whether the tap answers from memory."""
    return "forward" in tap.__dict__
