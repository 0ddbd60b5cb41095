"""What the network behind a layer says of other activations: of several images together where it can be."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain

import torch
from torch import Tensor

from ...targets import Target, class_logits, score_each
from ...words.notation import Stack
from ...words.trees import Tree, several_times
from ..attention.attention_pass import frozen
from ..forward.batching import Progress, chunk_size, chunked, takes_one
from ..passes.derivatives import gradients
from ..passes.scene import Layout, Scene
from ..rules import rules
from .scoring import class_of

_MUCH = 1 << 20
"""Bytes of one image's variations that a CPU copies no sooner than it calls the network again for every image."""


class Replays:
    """outputs = replays(images, variations), what one layer says of each of these images put in its place."""

    def __init__(self, scene: Scene, layer: str, layout: Layout, together: bool = True) -> None:
        self._scene, self._layer, self.layout, self.model = scene, layer, layout, scene.model
        self._together = together
        self.axis: int = getattr(layout, "batch_axis", 0)
        """Of the layer's output, the one that holds the images."""
        self.rows: int = getattr(layout, "rows", 1)
        """How many of it belong to one image."""

    def __call__(self, images: Sequence[int], variations: Tensor) -> Tree:
        with self._scene.precisely():
            return self._scene.tail(self._layer)(variations, images, len(images))

    @cached_property
    def mixes(self) -> bool:
        """Whether several images are replayed together."""
        return self._together and (self.axis, self.rows) == (0, 1) and self._scene.tail(self._layer).mixes

    def together(self) -> list[list[int]]:
        """The images, those that are replayed together."""
        images = list(range(self._scene.inputs.batch))
        return [images] if self.mixes else [[image] for image in images]

    def said(self, images: Sequence[int]) -> Tensor:
        """What the layer said of these images: of one, several times without copying; or of different ones."""
        said = self._scene.said[self._layer].detach()
        if len(set(images)) == 1:
            one = said.narrow(self.axis, images[0] * self.rows, self.rows)
            return several_times(one, len(images), self.axis, self.rows)
        return said[torch.tensor(images, device=said.device)]

    def varied(
        self, vary: Callable[[Stack, Tensor], Stack], count: int, work: Callable[[list[int], Tensor], Tensor]
    ) -> Iterator[Tensor]:
        """work(images, a variation of each as the layer would say it), chunk by chunk, image after image."""
        said, images, report = self._scene.said[self._layer], self._scene.inputs.batch, self._scene.options.progress
        one = said.numel() * said.element_size() // images
        size = 1 if takes_one(self._scene.model) else chunk_size(one, said.device)

        def some(start: int, stop: int) -> Tensor:
            shown = [place // count for place in range(start, stop)]
            around = self.said(shown)
            stack = self.layout.to_stack(self.said(shown[:1]) if shown[0] == shown[-1] else around)
            at = torch.arange(start, stop, device=stack.device) % count
            return work(shown, self.layout.from_stack(vary(stack, at), around))

        def of_image(before: int, start: int, stop: int) -> Tensor:
            return some(before + start, before + stop)

        if self.mixes and (said.device.type != "cpu" or count * one < _MUCH):
            return chunked(some, images * count, size, report)
        parts = range(0, images * count, count)
        return chain.from_iterable(
            chunked(partial(of_image, at), count, size, report and _share(report, at, images * count)) for at in parts
        )


def _share(report: Progress, before: int, total: int) -> Progress:
    return lambda done, _: report(before + done, total)


def rescaled(replays: Replays, targets: Sequence[Target], images: list[int]) -> Tensor:
    """Contributions of the layer's places, beside a layer that says nothing but what its prefix tokens say."""
    said = replays.said(images)
    silent = replays.layout.from_stack(torch.zeros_like(replays.layout.to_stack(said)), said)
    with torch.enable_grad(), rules.rescaled():
        leaf = torch.cat([said, silent], replays.axis).requires_grad_()
        score = score_each(replays(images * 2, leaf * 1), [targets[image] for image in images * 2])[: len(images)]
    (multipliers,) = gradients([leaf], score)
    if multipliers is None:
        return torch.zeros_like(said)
    return multipliers.narrow(replays.axis, 0, replays.rows * len(images)) * (said - silent)


def relevant(replays: Replays, targets: Sequence[Target], images: list[int]) -> Tensor:
    """Relevance of the layer's places: of the class 1, of every class -1 / classes."""
    said = replays.said(images)
    with torch.enable_grad(), frozen(replays.model):
        leaf = said.clone().requires_grad_()
        with rules.relevant():
            logits = class_logits(replays(images, leaf * 1))
        start = torch.full_like(logits, -1 / logits.shape[1])
        own = torch.tensor([class_of(targets[image]) for image in images], device=start.device)
        (flow,) = gradients([leaf], (logits * start.scatter(1, own[:, None], 1)).sum(1))
    return torch.zeros_like(said) if flow is None else flow
