"""Averages: the same question asked of several versions of a picture, the answers put back and averaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from .errors import BadValue, unknown
from .notation import Maps, along_path, noisy, resize, resize_maps
from .registry import at_least, convert, spelling

Views = Iterator[tuple[Tensor, Callable[[Maps], Maps]]]


@runtime_checkable
class Average(Protocol):
    """A frozen value: which versions of the images are looked at, and how a map of each comes back."""

    @property
    def scaled(self) -> bool:
        """Whether each map is divided by its peak magnitude before the mean."""

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        """Versions of `images` `(n, channels, *size)`, each with the function that puts its maps `(n, *space)` back."""


def _unchanged(maps: Maps) -> Maps:
    return maps


def _mirrored(x: Tensor) -> Tensor:
    return x.flip(-1)


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

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for factor in self.factors:
            yield images * factor, _unchanged
            yield _mirrored(images) * factor, _mirrored


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

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in noisy(images, samples=self.samples, sigma=self.sigma, seed=self.seed):
            yield view, _unchanged


@dataclass(frozen=True)
class Path:
    """The plain mean over the straight path from black to the picture, the picture included."""

    steps: int = 8
    scaled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in along_path(baseline, images, steps=self.steps):
            yield view, _unchanged


@dataclass(frozen=True)
class Scales:
    """The picture at several sizes; the maps come back at the size of the picture."""

    factors: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Sizes as multiples of the picture's own."""
    scaled: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _finite(self.factors)
        if min(self.factors) <= 0:
            raise BadValue(f"the setting factors={self.factors}", "sizes above 0")

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        size = tuple(images.shape[2:])
        for factor in self.factors:
            yield resize(images, tuple(max(1, round(factor * s)) for s in size)), lambda maps: resize_maps(maps, size)


AVERAGES: MappingProxyType[str, type[Any]] = MappingProxyType(
    {"flips": Flips, "noise": Noise, "path": Path, "scales": Scales}
)


def find_average(spec: "str | Average | None") -> "Average | None":
    """An average from its words, such as "flips", "noise:samples=8,sigma=0.2" or "scales:factors=1+1.5+2"."""
    if spec is None or isinstance(spec, Average):
        return spec
    if not isinstance(spec, str):
        raise BadValue(f"the average {spec!r}", f"one of {', '.join(AVERAGES)}, or an average")
    name, _, rest = spec.partition(":")
    kinds = {spelling(known): kind for known, kind in AVERAGES.items()}
    if spelling(name) not in kinds:
        raise unknown("average", name, AVERAGES)
    kind = kinds[spelling(name)]
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (word.strip() for word in part.partition("="))
        if key not in known:
            raise unknown("setting", key, known, owner=f"the average {name}")
        if not equals:
            raise BadValue(f"{part!r} in {spec!r}", "setting=value")
        given[key] = convert(key, value, known[key].type, known[key].default)
    average: Average = kind(**given)
    return average


def _finite(factors: tuple[float, ...]) -> None:
    if not factors or not all(isfinite(factor) for factor in factors):
        raise BadValue(f"the setting factors={factors}", "one or more finite numbers")
