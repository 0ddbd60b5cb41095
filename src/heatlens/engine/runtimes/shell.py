"""A network that another framework runs, as a torch module: what its layers say goes through taps.

A tap is a module without weights, named like the layer.  Whoever hooks it sees what the layer says, and may answer
something else, from which the framework then goes on.  So capture, replay and gradients know nothing of the framework.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...words.errors import EvidenceMissing
from ...words.trees import Tree

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """What is known of a layer without running it."""

    kind: str
    """The operation, or the type's name."""
    trained: bool = True
    """Whether it has weights, or may be a block's last operation."""
    leaf: bool = True
    """Whether it has no layers inside."""
    weighs: bool = False
    """Whether it is a leaf with weights of its own."""
    pointwise: bool = False
    """Whether it multiplies the channels of each place by itself: a dense layer, or a convolution of size 1."""


class Runtime(Protocol):
    """What runs the network."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """Its layers by name."""

    def run(self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str]) -> tuple[Values, list[Tensor]]:
        """What these layers say, first things first, and the outputs, where the layers `given` say what is given."""

    def crossing(self, layer: str) -> Iterable[str]:
        """The layers whose answers, with that of `layer`, spare the network in front of it."""

    def pulled(
        self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str], flows: Sequence[Tensor], shown: bool
    ) -> Sequence[Tensor | None]:
        """What flows into what is wanted and the outputs, sent back to the images (where `shown`) and what is given.

        `EvidenceMissing` where the framework knows no gradients.
        """


class Shell(nn.Module):
    """A network of another framework.  Hooks belong on its taps."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime
        for name, part in runtime.parts.items():
            self._modules[name] = Tap(part)  # add_module refuses names with dots, which are none of torch's here

    def forward(self, images: Tensor) -> Tree:
        taps = {name: tap for name, tap in self.named_children() if _watched(tap)}
        given = {name: tap(None) for name, tap in taps.items() if _answers(tap)}
        listening = [name for name in taps if name not in given]
        values, outputs = self._run(images, given, listening)
        order = list(values)
        for place, name in enumerate(order):
            said = values[name]
            answer = taps[name](said)
            if answer.requires_grad or not (answer is said or torch.equal(answer, said)):
                given[name] = answer
                rest, outputs = self._run(images, given, order[place + 1 :])
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


class Tap(nn.Module):
    """Where a layer's output passes by."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part

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
        shown = ctx.needs_input_grad[3]
        return (None, None, None, *runtime.pulled(images, dict(zip(names, given, strict=True)), wanted, flows, shown))


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
