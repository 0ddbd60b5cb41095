"""Pictures mirrored, noisy, on their way from black, and at several sizes.

`passes`: what the views cost together, in passes of the picture at its own size.
"""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from torch import Tensor

from ..errors import BadSetting
from ..notation import along_path, noisy, resize, resize_maps
from ..registry import at_least
from .views import Views, mirrored, unchanged


@dataclass(frozen=True)
class Flips:
    """The picture and its mirror image at several brightnesses (what pytorch-grad-cam calls aug_smooth)."""

    factors: tuple[float, ...] = (0.9, 1.0, 1.1)
    """What the normalised picture is multiplied by."""
    scaled: ClassVar[bool] = True
    moves: ClassVar[bool] = True
    """Its views show things at other places."""

    def __post_init__(self) -> None:
        _finite(self.factors)

    @property
    def passes(self) -> float:
        return 2 * len(self.factors)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for factor in self.factors:
            yield images * factor, unchanged
            yield mirrored(images) * factor, mirrored


@dataclass(frozen=True)
class Noise:
    """The plain mean over noisy pictures: SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825."""

    samples: int = 8
    sigma: float = 0.2
    """The noise's standard deviation as a share of the picture's max - min."""
    seed: int = 0
    scaled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples)
        at_least(0, sigma=self.sigma)

    @property
    def passes(self) -> float:
        return self.samples

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in noisy(images, samples=self.samples, sigma=self.sigma, seed=self.seed):
            yield view, unchanged


@dataclass(frozen=True)
class Path:
    """The plain mean over the straight path from black to the picture, the picture included."""

    steps: int = 8
    scaled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)

    @property
    def passes(self) -> float:
        return self.steps

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in along_path(baseline, images, steps=self.steps):
            yield view, unchanged


@dataclass(frozen=True)
class Scales:
    """The picture at several sizes; the maps come back at the size of the picture."""

    factors: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Sizes as multiples of the picture's own."""
    mirrored: bool = False
    """Whether the mirror image is looked at beside the picture."""
    scaled: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _finite(self.factors)
        if min(self.factors) <= 0:
            raise BadSetting(f"the setting factors={self.factors}", "sizes above 0")

    @property
    def passes(self) -> float:
        """A picture of twice the size costs four."""
        return sum(factor**2 for factor in self.factors) * (2 if self.mirrored else 1)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        size = tuple(images.shape[2:])
        for factor in self.factors:
            sized = resize(images, tuple(max(1, round(factor * side)) for side in size))
            yield sized, lambda maps: resize_maps(maps, size)
            if self.mirrored:
                yield mirrored(sized), lambda maps: resize_maps(mirrored(maps), size)


def _finite(factors: tuple[float, ...]) -> None:
    if not factors or not all(isfinite(factor) for factor in factors):
        raise BadSetting(f"the setting factors={factors}", "one or more finite numbers")
