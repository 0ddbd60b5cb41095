"""One forward pass over a batch of images, shared by everything that is asked of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import LayerNotReached, NotFinite, ScoreIndifferent
from ..notation import Stack
from ..targets import Target, logits_of, score_each
from ..trees import Tree, map_tensors, tensors
from .batching import Progress, chunk_size, chunked
from .capture import capture, find_layers
from .evaluating import device_of
from .heads import linear_head
from .replay import Inputs, Recorder, Tail


class Layout(Protocol):
    """How one layer's output is read as channels over a space, and written back."""

    def to_stack(self, said: Tensor) -> Stack: ...

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor: ...


ReadLayout = Callable[[str, Tensor, Tensor], Layout]
"""read_layout(layer, its output, images)."""


@dataclass(frozen=True)
class Options:
    """How a scene is computed."""

    graph: bool = True
    """Whether gradients at the layers will be asked for."""
    curvature: bool = False
    """Whether second derivatives will be asked for."""
    tails: frozenset[str] = frozenset()
    """The layers that will be replayed from."""
    precision: torch.dtype | None = None
    """Autocast to this type; None runs the model as it is."""
    differentiable: bool = False
    """Whether what comes out can itself be differentiated."""
    progress: Progress | None = None


_Seen = tuple[Tree, dict[str, Tensor], dict[str, Recorder]]


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
    ) -> None:
        self.model, self.inputs, self.read_layout, self.baseline = model, inputs, read_layout, baseline
        self.options = options or Options()
        self.modules = find_layers(model, layers)
        self.notes: list[str] = []
        self.outputs, self.said, self.recorders = self._look(inputs, self.options.graph, self.options.tails)

    @property
    def images(self) -> Tensor:
        return self.inputs.images

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
            tail = Tail(self.model, self.modules[layer], self.inputs, self.outputs, self.recorders[layer])
            if tail.way == "full":
                self.notes.append(f"layer {layer!r} cannot be replayed: every variation costs a full forward pass")
            self._tails[layer] = tail
        return self._tails[layer]

    @cached_property
    def _tails(self) -> dict[str, Tail]:
        return {}

    def _look(self, inputs: Inputs, graph: bool, tails: frozenset[str]) -> _Seen:
        outputs, said, recorders = self._pass(inputs, graph, tails, everywhere=self.options.differentiable)
        if graph and self.modules and not any(t.requires_grad for t in tensors(outputs)):
            # somewhere the model itself switched gradients off and on again: differentiate from the start
            outputs, said, recorders = self._pass(inputs, graph, tails, everywhere=True)
        if absent := [name for name in self.modules if name not in said]:
            raise LayerNotReached(
                f"the forward pass of {type(self.model).__name__} did not go through layer {absent[0]!r}",
                "a layer that runs",
                "list those that do with: heatlens layers MODEL",
            )
        _check_finite(self.model, outputs)
        return outputs, said, recorders

    def _pass(self, inputs: Inputs, graph: bool, tails: frozenset[str], everywhere: bool) -> _Seen:
        recorders = {name: Recorder(self.model, self.modules[name]) for name in tails}
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(everywhere))
            stack.enter_context(self.precisely())
            if self.options.curvature:
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))  # fused attention has no second derivative
            for recorder in recorders.values():
                stack.enter_context(recorder.recording())
            said = stack.enter_context(capture(self.modules, graph=graph))
            outputs = inputs.run(self.model)
        return outputs, said, recorders

    def precisely(self) -> Any:
        """The asked-for precision."""
        if self.options.precision is None:
            return nullcontext()
        return torch.autocast(device_of(self.model).type, self.options.precision)


class View:
    """A scene and what is explained of it: one target per image."""

    def __init__(self, scene: Scene, targets: tuple[Target, ...]) -> None:
        self.scene, self.targets = scene, targets

    def at(self, layer: str) -> "Evidence":
        return Evidence(self, layer)

    @cached_property
    def score(self) -> Tensor:
        """y: (n,)."""
        with torch.enable_grad():
            return score_each(self.scene.outputs, self.targets)

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """dy/d(layer's output) for every layer, by one backward pass through the tail."""
        return self.differentiate(self.score, self.scene.said, create_graph=self.scene.options.differentiable)

    def differentiate(self, score: Tensor, said: Mapping[str, Tensor], *, create_graph: bool) -> dict[str, Tensor]:
        """d(score)/d(said); `ScoreIndifferent` where there is no path."""
        found = _gradients(score, list(said.values()), create_graph)
        for name, gradient in zip(said, found, strict=True):
            if gradient is None:
                raise ScoreIndifferent(f"the score of {self.targets[0]} does not depend on layer {name!r}")
        return dict(zip(said, found, strict=True))  # type: ignore[arg-type]


class Evidence:
    """What is known at one layer.  Its public names are the vocabulary of the methods."""

    def __init__(self, view: View, layer: str) -> None:
        self._view, self._scene, self._layer = view, view.scene, layer
        self._layout = view.scene.layout(layer)

    @cached_property
    def activations(self) -> Stack:
        said = self._scene.said[self._layer]
        return _precise(self._layout.to_stack(said if self._scene.options.differentiable else said.detach()))

    @cached_property
    def gradients(self) -> Stack:
        raw = self._view.gradients[self._layer]
        gradients = self._layout.to_stack(raw)
        _check_reached(raw, gradients, self._layer, self._view.targets[0])
        return _precise(gradients)

    @property
    def images(self) -> Tensor:
        return _precise(self._scene.images)

    @property
    def baseline(self) -> Tensor:
        return self._scene.baseline.to(self.images).expand_as(self.images)

    @cached_property
    def class_weights(self) -> Tensor:
        head = linear_head(self._scene.model, self.activations, self._scene.outputs, self._layer)
        logits = logits_of(self._scene.outputs)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            outputs = map_tensors(lambda t: leaf if t is logits else t, self._scene.outputs)
            score = score_each(outputs, self._view.targets)
            by_class = torch.autograd.grad(score.sum(), leaf)[0]  # dy/d(logits): one-hot for a class's logit
        return _precise(by_class) @ head.to(_precise(by_class))

    def perturbed(self, pictures: Iterable[Tensor]) -> Iterator[tuple[Stack, Stack]]:
        for images in pictures:
            outputs, said = self._scene.pictures(images.to(self._scene.images))
            with torch.enable_grad():
                score = score_each(outputs, self._view.targets)
            raw = self._view.differentiate(score, {self._layer: said[self._layer]}, create_graph=False)[self._layer]
            yield (
                _precise(self._layout.to_stack(said[self._layer].detach())),
                _precise(self._layout.to_stack(raw)),
            )

    def score_with(self, vary: Callable[[Stack, Tensor], Stack], count: int) -> Tensor:
        def scores(image: int, variations: Tensor) -> Tensor:
            outputs = self._replayed(image, variations)
            return _precise(score_each(outputs, [self._view.targets[image]] * len(variations)))

        return torch.stack([torch.cat(list(self._varied(i, vary, count, scores))) for i in self._each_image()])

    def gradients_with(self, vary: Callable[[Stack, Tensor], Stack], count: int) -> Stack:
        def summed_gradient(image: int, variations: Tensor) -> Tensor:
            with torch.enable_grad():
                leaf = variations.detach().requires_grad_()
                outputs = self._replayed(image, leaf.clone())
                score = score_each(outputs, [self._view.targets[image]] * len(leaf))
            raw = self._view.differentiate(score, {self._layer: leaf}, create_graph=False)[self._layer]
            return _precise(self._layout.to_stack(raw)).sum(0)

        sums = [torch.stack(list(self._varied(i, vary, count, summed_gradient))).sum(0) for i in self._each_image()]
        return torch.stack(sums) / count

    def curvature(self, direction: Stack) -> Stack:
        said = self._scene.said[self._layer]
        along = self._layout.from_stack(direction.to(said.dtype), torch.zeros_like(said))
        with torch.enable_grad():
            slope = self._view.differentiate(self._view.score, {self._layer: said}, create_graph=True)[self._layer]
            bend = _directional(slope, said, along, create_graph=self._scene.options.differentiable)
        return torch.zeros_like(direction) if bend is None else _precise(self._layout.to_stack(bend))

    def _each_image(self) -> range:
        return range(self._scene.inputs.batch)

    def _replayed(self, image: int, variations: Tensor) -> Tree:
        with self._scene.precisely():
            return self._scene.tail(self._layer)(variations, image)

    def _varied(
        self,
        image: int,
        vary: Callable[[Stack, Tensor], Stack],
        count: int,
        work: Callable[[int, Tensor], Tensor],
    ) -> Iterator[Tensor]:
        """work(image, its variations as the layer would say them), chunk by chunk."""
        said = self._scene.said[self._layer].detach()[image : image + 1]
        stack = self._layout.to_stack(said)

        def one_chunk(start: int, stop: int) -> Tensor:
            varied = vary(stack, torch.arange(start, stop, device=stack.device))
            return work(image, self._layout.from_stack(varied, said.expand(stop - start, *said.shape[1:])))

        def progress(done: int, _: int) -> None:
            if self._scene.options.progress is not None:
                self._scene.options.progress(image * count + done, self._scene.inputs.batch * count)

        size = chunk_size(said.numel() * said.element_size(), said.device)
        return chunked(one_chunk, count, size, progress)


def _gradients(score: Tensor, said: list[Tensor], create_graph: bool) -> list[Tensor | None]:
    """d(sum of scores)/d(said); half precision is scaled up on the way so that small gradients survive."""
    if not score.requires_grad:
        return [None] * len(said)
    scale = 2.0**10 if said[0].dtype == torch.float16 else 1.0
    with torch.enable_grad():
        total = score.float().sum() * scale if scale != 1 else score.sum()
    found = torch.autograd.grad(total, said, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [None if g is None else g if scale == 1 else g.float() / scale for g in found]


def _directional(slope: Tensor, said: Tensor, along: Tensor, *, create_graph: bool) -> Tensor | None:
    """d(slope . along)/d(said), `along` held fixed; None where the slope does not bend."""
    if not slope.requires_grad:
        return None
    options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
    return torch.autograd.grad(slope, said, grad_outputs=along, **options)[0]


def _precise(x: Tensor) -> Tensor:
    """At least float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _check_reached(raw: Tensor, gradients: Stack, layer: str, target: Target) -> None:
    """A stack of exact zeros where the raw gradient is not: only the prefix tokens reach the score."""
    if raw.numel() > gradients.numel() and not bool(gradients.any()) and bool(raw.any()):
        raise ScoreIndifferent(
            f"the score of {target} does not depend on the patches of layer {layer!r}: "
            "there only the class token reaches the output"
        )


def _check_finite(model: nn.Module, outputs: Tree) -> None:
    if all(bool(t.isfinite().all()) for t in tensors(outputs) if t.is_floating_point()):
        return
    for name, weights in model.named_parameters():
        if not bool(weights.isfinite().all()):
            raise NotFinite(f"the weights {name!r} of {type(model).__name__} contain NaN or infinity", "finite weights")
    raise NotFinite(
        f"{type(model).__name__} returned NaN or infinity",
        "finite outputs",
        "check the photo's preprocessing (mean, std) and the model's precision",
    )
