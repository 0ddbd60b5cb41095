"""Every layer that a forward pass goes through, and what it returns."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from ..trees import Tree, tensors
from .inputs import Inputs
from .shell import Part, Tap

_NORMS = ("norm",)


@dataclass(frozen=True)
class Found:
    """One layer of a forward pass, in the order in which layers finish."""

    name: str
    kind: str
    """The type's name."""
    shape: tuple[int, ...]
    """Of its main tensor; empty when it returned none."""
    calls: int
    """How often it ran; the order is that of its last call."""
    trained: bool
    """Whether it has parameters of its own or inside; in a graph, where a ReLU may end a block, every layer counts."""
    leaf: bool
    """Whether it has no layers inside."""
    bare: bool = True
    """Whether it returned a tensor and nothing else."""

    @property
    def norm(self) -> bool:
        """Whether it normalises."""
        return any(word in self.kind.lower() for word in _NORMS)


def survey(model: nn.Module, inputs: Inputs) -> tuple[list[Found], Tree]:
    """The layers in the order in which they finished, and the outputs.  Open it inside `evaluating(model)`."""
    names = {module: name for name, module in model.named_modules()}
    graph = isinstance(model, fx.GraphModule) or getattr(model, "is_graph", False)
    finished: list[tuple[nn.Module, tuple[int, ...], bool]] = []

    def note(module: nn.Module, args: object, output: Tree) -> None:
        floats = [t for t in tensors(output) if t.is_floating_point() or t.is_quantized]
        finished.append((module, tuple(floats[0].shape) if floats else (), isinstance(output, Tensor)))

    with ExitStack() as hooks:
        for module in names:
            if isinstance(module, torch.jit.ScriptModule):
                continue
            hooks.callback(module.register_forward_hook(note).remove)
        outputs = inputs.shown_to(model)
    calls = Counter(module for module, _, _ in finished)
    last = {module: position for position, (module, _, _) in enumerate(finished)}
    return [
        Found(
            names[module],
            part.kind,
            shape,
            calls[module],
            graph or part.trained,
            part.leaf,
            bare,
        )
        for position, (module, shape, bare) in enumerate(finished)
        for part in (_part(module),)
        if names[module] and last[module] == position
    ], outputs


def _part(module: nn.Module) -> Part:
    if isinstance(module, Tap):
        return module.part
    weights, inside = (any(True for _ in found) for found in (module.parameters(), module.children()))
    return Part(type(module).__name__, weights or quantised(module), not inside)


def quantised(model: nn.Module) -> bool:
    """Whether some layer holds int8 weights of torch.ao, which are no parameters."""
    rooms = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
    return any(type(module).__module__.startswith(rooms) for module in model.modules())
