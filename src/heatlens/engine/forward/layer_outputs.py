"""Every layer that a forward pass goes through, and what it returns."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx, nn

from ...targets import scores_in
from ...words.trees import Tree, close, tensors
from ..runtimes.shell import Part, Tap
from .declared_channels import Declarations, Look, nothing
from .inputs import Inputs

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
    known: Look = field(default=nothing, compare=False)
    """What it and the layers around it declare about its channels."""
    head: bool = False
    """Whether it is the head, place by place, or behind it: what the model returns is its mean over the places."""

    @property
    def norm(self) -> bool:
        """Whether it normalises."""
        return any(word in self.kind.lower() for word in _NORMS)


def survey(model: nn.Module, inputs: Inputs) -> tuple[list[Found], Tree]:
    """The layers in the order in which they finished, and the outputs.  Open it inside `evaluating(model)`."""
    names = {module: name for name, module in model.named_modules()}
    graph = isinstance(model, fx.GraphModule) or getattr(model, "is_graph", False)
    finished: list[tuple[nn.Module, tuple[int, ...], bool]] = []
    weighed = list[tuple[int, nn.Module, Tensor]]()
    """The last leaf with weights, when it finished, and what it said."""

    def note(module: nn.Module, args: object, output: Tree) -> None:
        floats = [t for t in tensors(output) if t.is_floating_point() or t.is_quantized]
        if floats and part_of(module).weighs:
            weighed[:] = [(len(finished), module, floats[0])]
        finished.append((module, tuple(floats[0].shape) if floats else (), isinstance(output, Tensor)))

    with ExitStack() as hooks:
        for module in names:
            if isinstance(module, torch.jit.ScriptModule):
                continue
            hooks.callback(module.register_forward_hook(note).remove)
        outputs = inputs.shown_to(model)
    head = next((at for at, module, said in weighed if _is_head(module, said, outputs)), len(finished))
    declared = Declarations(model)
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
            partial(declared.of, names[module]),
            position >= head,
        )
        for position, (module, shape, bare) in enumerate(finished)
        for part in (part_of(module),)
        if names[module] and last[module] == position
    ], outputs


def _is_head(module: nn.Module, said: Tensor, outputs: Tree) -> bool:
    """Whether the model returns the mean over the places of what a dense layer says, with its ReLU or without."""
    scores = scores_in(outputs)
    if not part_of(module).pointwise or said.ndim < 3 or said.is_quantized or scores is None or scores.ndim != 2:
        return False
    means = [x.movedim(axis, 1).flatten(2).mean(2) for x in (said, said.relu()) for axis in (1, -1)]
    fitting = [m for m in means if m.shape == scores.shape]
    return any(close(turned, scores) for m in fitting for turned in (m, m.softmax(1), m.log_softmax(1), m.sigmoid()))


def part_of(module: nn.Module) -> Part:
    """What is known of a layer without running it."""
    if isinstance(module, Tap):
        return module.part
    weights, inside = (any(True for _ in found) for found in (module.parameters(), module.children()))
    sizes: Any = getattr(module, "kernel_size", None)
    pointwise = isinstance(module, nn.Linear) or (isinstance(sizes, tuple) and set(sizes) == {1})
    return Part(type(module).__name__, weights or quantised(module), not inside, weights and not inside, pointwise)


def quantised(model: nn.Module) -> bool:
    """Whether some layer holds int8 weights of torch.ao, which are no parameters; not where it only could hold some."""
    rooms = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
    held = [module for module in model.modules() if type(module).__module__.startswith(rooms)]
    packed = any(hasattr(module, "_packed_params") for module in held)
    return packed or any(t.is_quantized for t in chain(model.parameters(), model.buffers()))
