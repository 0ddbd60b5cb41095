"""Evidence for methods, from tiny networks and plain autograd: nothing here goes through heatlens' engine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heatlens.registry import Entry, needs

Vary = Callable[[Tensor, Tensor], Tensor]
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SIZES = {1: (22,), 2: (8, 12), 3: (6, 4, 8)}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slowed down many times by threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Evidence:
    """What a method may ask for, about a network cut in two: a body (images to A) and a tail (A to logits)."""

    images: Tensor
    baseline: Tensor
    body: Callable[[Tensor], Tensor]
    tail: Callable[[Tensor], Tensor]
    head: Tensor
    """(classes, c)"""
    classes: tuple[int, ...]
    """The class that is explained, image by image."""

    def score(self, activations: Tensor, image: int) -> Tensor:
        """y `(m,)` of m stacks, for the class of that image."""
        return self.tail(activations)[:, self.classes[image]]

    def scores(self, activations: Tensor) -> Tensor:
        """y `(n,)`, each stack with its own class."""
        return torch.cat([self.score(a[None], i) for i, a in enumerate(activations)])

    def slope(self, activations: Tensor) -> Tensor:
        """dy/dA `(n, c, *space)`, itself differentiable."""
        leaf = activations if activations.requires_grad else activations.detach().requires_grad_()
        return torch.autograd.grad(self.scores(leaf).sum(), leaf, create_graph=True)[0]

    @cached_property
    def activations(self) -> Tensor:
        return self.body(self.images)

    @cached_property
    def gradients(self) -> Tensor:
        gradients = self.slope(self.activations)
        return gradients if self.images.requires_grad else gradients.detach()

    @property
    def class_weights(self) -> Tensor:
        return self.head[list(self.classes)].to(self.images)

    def perturbed(self, pictures: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for picture in pictures:
            activations = self.body(picture)
            yield activations, self.slope(activations)

    def score_with(self, vary: Vary, count: int) -> Tensor:
        return torch.stack(
            [
                torch.cat([self.score(vary(a[None], some), i) for some in torch.arange(count).split(3)])
                for i, a in enumerate(self.activations)
            ]
        )

    def gradients_with(self, vary: Vary, count: int) -> Tensor:
        return torch.cat(
            [
                sum(
                    replace(self, classes=(c,) * len(some)).slope(vary(a[None], some)).sum(0, keepdim=True)
                    for some in torch.arange(count).split(3)
                )
                / count
                for c, a in zip(self.classes, self.activations, strict=True)
            ]
        )

    def curvature(self, along: Tensor) -> Tensor:
        leaf = self.activations if self.images.requires_grad else self.activations.detach().requires_grad_()
        slope = torch.autograd.grad(self.scores(leaf).sum(), leaf, create_graph=True)[0]
        if not slope.requires_grad:  # a score that is linear in A
            return torch.zeros_like(leaf)
        product = torch.autograd.grad(
            slope, leaf, along, create_graph=self.images.requires_grad, materialize_grads=True
        )[0]
        return product if self.images.requires_grad else product.detach()

    # the same question in other words

    def mirrored(self) -> "Evidence":
        """The picture's mirror image, shown to the network's mirror image."""
        return replace(
            self,
            images=self.images.flip(-1),
            baseline=self.baseline.flip(-1),
            body=lambda x: self.body(x.flip(-1)).flip(-1),
            tail=lambda a: self.tail(a.flip(-1)),
        )

    def permuted(self, order: Tensor) -> "Evidence":
        """The layer's channels in another order."""
        return replace(
            self,
            body=lambda x: self.body(x)[:, order],
            tail=lambda a: self.tail(a[:, order.argsort()]),
            head=self.head[:, order],
        )

    def scaled(self, factor: float) -> "Evidence":
        """The score in other units."""
        return replace(self, tail=lambda a: factor * self.tail(a), head=factor * self.head)

    def only(self, image: int) -> "Evidence":
        """One image of the batch."""
        here = slice(image, image + 1)
        return replace(self, images=self.images[here], baseline=self.baseline[here], classes=self.classes[here])

    def to(self, dtype: torch.dtype) -> "Evidence":
        return replace(self, images=self.images.to(dtype), baseline=self.baseline.to(dtype))


def run(entry: Entry, evidence: Evidence, **settings: Any) -> Tensor:
    """The method on that evidence."""
    return entry.function(*(getattr(evidence, word) for word in needs(entry.function)), **settings)


def network(
    rank: int = 2, *, signed: bool = False, tail: str = "curved", seed: int = 0, bias: float = 0.4, channels: int = 5
) -> Evidence:
    """Two images, each with its own class, and a random network with strides, biases and a layer with H != W.

    `tail` is "curved" (tanh), "relu" (piecewise linear), "gap" (mean, then linear), "flat" (one linear layer over all
    places) or "quadratic".
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    images, baseline = draw(2, 3, *SIZES[rank]), draw(1, 3, *[1] * rank).expand(2, 3, *SIZES[rank]).clone()
    kernel, shift = draw(channels, 3, *[3] * rank) / 3, draw(channels) / 3

    def body(x: Tensor) -> Tensor:
        out = _CONV[rank](x, kernel.to(x), shift.to(x), stride=2, padding=1)
        return out if signed else out.relu()

    places = body(images)[0, 0].numel()
    head, intercept = draw(3, channels), bias * draw(3)
    first, inner, second = draw(7, channels * places) / (channels * places) ** 0.5, draw(7), draw(3, 7)
    flat = draw(3, channels * places)
    square = draw(3, channels * places, channels * places) / (channels * places)

    def logits(a: Tensor) -> Tensor:
        rows = a.flatten(1)
        match tail:
            case "curved":
                out = torch.tanh(rows @ first.T.to(a) + inner.to(a)) @ second.T.to(a)
            case "relu":
                out = (rows @ first.T.to(a) + bias * inner.to(a)).relu() @ second.T.to(a)
            case "gap":
                out = a.flatten(2).mean(2) @ head.T.to(a)
            case "flat":
                out = rows @ flat.T.to(a)
            case "quadratic":
                out = rows @ flat.T.to(a) + torch.einsum("ni,cij,nj->nc", rows, square.to(a), rows) / 2
        return out + intercept.to(a)

    return Evidence(images, baseline, body, logits, head, (0, 1))
