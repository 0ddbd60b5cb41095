"""One forward pass over a batch of images, shared by everything that is asked of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import cached_property
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...targets import Target, score_each
from ...targets.meaning import Meaning, read
from ...words.notation import Stack
from ...words.trees import Tree, tensors
from ..copies.compiled import compiled_copy
from ..copies.fast_copy import swift_copy
from ..forward.capture import Captured, calls_meant, capture, find_layers
from ..forward.finite import Doubts, expect_finite
from ..forward.inputs import Inputs
from ..forward.output_meaning import understood
from ..replay.behind_layer import Tail
from ..replay.replay import Recorder
from ..state.evaluating import device_of
from ..state.in_place import writes_like
from .derivatives import gradients
from .no_gradient import indifferent
from .options import Options as Options

T = TypeVar("T")


class Layout(Protocol):
    """How one layer's output is read as channels over a space, and written back."""

    def to_stack(self, said: Tensor) -> Stack: ...

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor: ...


ReadLayout = Callable[[str, Tensor, Tensor], Layout]
"""read_layout(layer, its output, images)."""


_Seen = tuple[Tree, Captured, dict[str, Recorder]]


class Scene:
    """The model looking at the images.  Open it inside `evaluating(model)`."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        layers: Sequence[str],
        read_layout: ReadLayout,
        baseline: Tensor,
        options: Options | None = None,
        doubts: Doubts | None = None,
    ) -> None:
        """doubts: what is to be looked at later, by whoever gives them; None: at once."""
        self.model, self.read_layout, self.baseline = model, read_layout, baseline
        self.options = options or Options()
        self.modules, self.calls_meant = find_layers(model, layers), calls_meant(model, layers)
        self.notes: list[str] = []
        self._shown, self.doubts = inputs, doubts or Doubts()
        self._returned, self.said, self.recorders = self._look(inputs, self.options.graph, self.options.tails)
        if doubts is None:
            self.doubts.settle()

    @property
    def images(self) -> Tensor:
        return self._shown.images

    @cached_property
    def _meaning(self) -> tuple[Meaning, list[str]]:
        return understood(self.model, self._shown, self._returned)

    @property
    def remarks(self) -> list[str]:
        """What a person should know of how class scores are read."""
        return self._meaning[1]

    @cached_property
    def inputs(self) -> Inputs:
        """What the model is called with, and how what it returns is read."""
        return self._shown.meant(self._meaning[0])

    @cached_property
    def outputs(self) -> Tree:
        """What the model returned, with its meaning."""
        return read(self._returned, self._meaning[0])

    def under(self, targets: Sequence[Target]) -> "View":
        """The scene with one target per image."""
        return View(self, tuple(targets))

    def pictures(self, images: Tensor) -> tuple[Tree, dict[str, Tensor]]:
        """Outputs and layers for other images, differentiably."""
        outputs, said, _ = self._look(self.inputs.showing(images), True, frozenset())
        return outputs, said

    def layout(self, layer: str) -> Layout:
        return self.read_layout(layer, self.said[layer], self.images)

    def tail(self, layer: str) -> Tail:
        """The network behind a layer."""
        if layer not in self._tails:
            tail = Tail(
                self.model,
                self.modules[layer],
                self.inputs,
                self.outputs,
                self.recorders[layer],
                self.calls_meant.get(layer),
            )
            if tail.way == "full":
                self.notes.append(f"layer {layer!r} cannot be replayed: every variation costs a full forward pass")
            self._tails[layer] = tail
        return self._tails[layer]

    def once(self, find: Callable[["Scene"], T]) -> T:
        """What `find` tells of this scene, found out when first asked for."""
        if find not in self._known:
            self._known[find] = find(self)
        known: T = self._known[find]
        return known

    @cached_property
    def _known(self) -> dict[Callable[["Scene"], Any], Any]:
        return {}

    @cached_property
    def swift(self) -> nn.Module:
        """A private copy of the model that answers faster, or the model itself."""
        with self.precisely():
            copy = writes_like(swift_copy(self.model, self.inputs), self.model)
            if not self.options.compiled:
                return copy
            compiled, failure = compiled_copy(self.model, copy, self.inputs)
        self.notes += [failure] if failure else []
        return compiled

    @cached_property
    def _tails(self) -> dict[str, Tail]:
        return {}

    def _look(self, inputs: Inputs, graph: bool, tails: frozenset[str]) -> _Seen:
        outputs, said, recorders = self._pass(inputs, graph, tails, everywhere=self.options.differentiable)
        if graph and self.modules and not any(t.requires_grad for t in tensors(outputs)):
            # somewhere the model itself switched gradients off and on again: differentiate from the start
            outputs, said, recorders = self._pass(inputs, graph, tails, everywhere=True)
        said.check(self.model, self.modules, self.calls_meant)
        expect_finite(self.doubts, self.model, outputs)
        return outputs, said, recorders

    def _pass(self, inputs: Inputs, graph: bool, tails: frozenset[str], everywhere: bool) -> _Seen:
        recorders = {name: Recorder(self.model, self.modules[name], self.calls_meant.get(name, 0)) for name in tails}
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(everywhere))
            stack.enter_context(self.first_precisely())
            if self.options.curvature:
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))  # fused attention has no second derivative
            for recorder in recorders.values():
                stack.enter_context(recorder.recording())
            said = stack.enter_context(capture(self.modules, graph=graph, meant=self.calls_meant))
            outputs = inputs.shown_to(self.model)
        return outputs, said, recorders

    def first_precisely(self) -> Any:
        """The precision of the first pass, which other looks at the same images share."""
        return nullcontext() if self.options.first_in_full else self.precisely()

    def precisely(self) -> Any:
        """The asked-for precision."""
        if self.options.precision is None:
            return nullcontext()
        return torch.autocast(device_of(self.model).type, self.options.precision)


class View:
    """A scene and what is explained of it: one target per image."""

    def __init__(self, scene: Scene, targets: tuple[Target, ...]) -> None:
        self.scene, self.targets = scene, targets

    @cached_property
    def score(self) -> Tensor:
        """y: (n,)."""
        with torch.enable_grad():
            return score_each(self.scene.outputs, self.targets)

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """dy/d(layer's output) for every layer, by one backward pass through the tail."""
        return self.differentiate(self.score, self.scene.said, create_graph=self.scene.options.differentiable)

    def reached(self) -> dict[str, Tensor]:
        """dy/d(layer's output) of the layers that the score depends on."""
        found = gradients(list(self.scene.said.values()), self.score)
        return {name: flow for name, flow in zip(self.scene.said, found, strict=True) if flow is not None}

    def differentiate(self, score: Tensor, said: Mapping[str, Tensor], *, create_graph: bool) -> dict[str, Tensor]:
        """d(score)/d(said); `ScoreIndifferent` where there is no path."""
        found = gradients(list(said.values()), score, create_graph=create_graph)
        for name, gradient in zip(said, found, strict=True):
            if gradient is None:
                raise indifferent(self.scene, self.targets, name, score, self.scene.calls_meant.get(name, 0))
        return dict(zip(said, found, strict=True))  # type: ignore[arg-type]
