"""Evidence for metrics without the engine: a model asked picture by picture, which remembers what it was shown."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Model = Callable[[Tensor], Tensor]
"""Images (n, channels, *size) -> logits (n, classes)."""


class Known:
    """The words of the metrics, for a model and maps that a test makes."""

    def __init__(
        self,
        model: Model,
        images: Tensor,
        maps: Tensor | Callable[[Tensor], Tensor],
        classes: list[int] | None = None,
        randomised: list[Tensor] | None = None,
        by_class: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.model, self.images = model, images
        self._explain = maps if callable(maps) else lambda _: maps
        self.attribution = self._explain(images)
        self.classes = torch.tensor(classes or [0] * len(images))
        self.pictures: list[list[Tensor]] = [[] for _ in images]
        self.explained_pictures: list[Tensor] = []
        self._randomised = randomised or []
        self._by_class = by_class

    @property
    def heat(self) -> Tensor:
        return self._heat(self.attribution)

    @property
    def ranking(self) -> Tensor:
        return self.model(self.images).argsort(dim=1, descending=True, stable=True)

    @property
    def confidence(self) -> Tensor:
        return self.model(self.images).softmax(1).gather(1, self.classes[:, None])[:, 0]

    def confidence_under(self, pictures: Any, count: int) -> Tensor:
        return self._asked(pictures, count, lambda logits: logits.softmax(1))

    def score_under(self, pictures: Any, count: int, same: object = None) -> Tensor:
        return self._asked(pictures, count, lambda logits: logits)

    def explained(self, images: Tensor) -> Tensor:
        self.explained_pictures.append(images)
        return self._explain(images)

    def heat_of(self, images: Tensor) -> Tensor:
        return self._heat(self.explained(images))

    def explained_class(self, classes: Tensor) -> Tensor:
        assert self._by_class is not None
        return self._by_class(classes)

    def randomised(self, scheme: str, seed: int) -> Iterator[tuple[str, Tensor]]:
        return iter([(f"layer{i}", maps) for i, maps in enumerate(self._randomised)])

    def _heat(self, maps: Tensor) -> Tensor:
        positive = maps.clamp(min=0).flatten(1)
        peak = positive.amax(1, keepdim=True)
        return (positive / torch.where(peak > 0, peak, 1)).reshape(maps.shape)

    def _asked(self, pictures: Any, count: int, worth: Callable[[Tensor], Tensor]) -> Tensor:
        """In chunks of three, so that no metric leans on being asked for everything at once."""
        rows = []
        for i, c in enumerate(self.classes.tolist()):
            some = [torch.arange(a, min(a + 3, count)) for a in range(0, count, 3)]
            made = [pictures(torch.full_like(k, i), k) for k in some]
            self.pictures[i] = list(torch.cat(made))
            rows.append(torch.cat([worth(self.model(x))[:, c] for x in made]))
        return torch.stack(rows)


def measured(name: str, known: Known, **settings: Any) -> Tensor:
    """A metric's values for every image."""
    from heatlens.metrics.criterion import find_criterion

    found = find_criterion(name, settings)(known)
    assert isinstance(found, Tensor)
    return found


def network(channels: int = 3, classes: int = 4, seed: int = 0) -> Model:
    """A small convolutional network in float64."""
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(6, channels, 3, 3, generator=generator, dtype=torch.float64)
    head = torch.randn(classes, 6, generator=generator, dtype=torch.float64)
    return lambda x: torch.nn.functional.conv2d(x.double(), kernel, padding=1).relu().mean((2, 3)) @ head.T


def random_images(n: int = 2, size: tuple[int, ...] = (8, 9), channels: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_maps(n: int = 2, size: tuple[int, ...] = (8, 9), seed: int = 2, signed: bool = True) -> Tensor:
    maps = torch.randn(n, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return maps if signed else maps.clamp(min=0)
