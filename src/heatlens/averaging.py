"""Averages: the same question asked of several versions of a picture, the answers put back and averaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from itertools import product
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import BadValue, unknown
from .notation import Maps, along_path, noisy, resize, resize_maps
from .registry import at_least, convert, spelling
from .wording import read_request

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


@dataclass(frozen=True)
class Crops:
    """Ten crops: the corners and the centre of a photo resized to 256, and their mirror images (the CAM release).

    `absolute`, `cubic` are as that release merges its crops; neither divides by how many of them saw a place (`even`).
    """

    size: tuple[int, ...] = ()
    """Of a crop, cut from the picture as it is; empty: the picture is enlarged by 256/224 first, a crop is its size."""
    absolute: bool = False
    """Whether evidence against counts like evidence for."""
    cubic: bool = False
    """Whether maps are enlarged to a crop by cubic interpolation (Keys' a = -1/2, as MATLAB's) instead of linear."""
    even: bool = False
    """Whether each place is the mean over the crops that saw it, instead of their sum."""
    scaled: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    enlarges: ClassVar[bool] = True
    """Maps are put back from the layer's own resolution."""

    def __post_init__(self) -> None:
        for side in self.size:
            at_least(1, size=side)

    def centre(self, images: Tensor) -> Tensor:
        """The middle crop of the size: what the model is shown when it is asked plainly."""
        return _cut(images, _corners(tuple(images.shape[2:]), self.size)[-1], self.size)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        size = self.size or tuple(images.shape[2:])
        whole = images if self.size else resize(images, tuple(round(side * 256 / 224) for side in size))
        corners = _corners(sides := tuple(whole.shape[2:]), size)
        seen = torch.stack([_pasted(whole.new_ones(1, *size), corner, sides) for corner in corners]).sum(0)
        weight = len(corners) / seen.clamp(min=1) if self.even else torch.ones_like(seen)

        def back(maps: Maps, corner: tuple[int, ...], turned: Callable[[Maps], Maps]) -> Maps:
            crop = turned(_enlarged(maps, size, self.cubic))
            merged = weight * _pasted(crop.abs() if self.absolute else crop, corner, sides)
            return merged if self.size else resize_maps(merged, size)

        for corner in corners:
            crop = _cut(whole, corner, size)
            for turned in (_unchanged, _mirrored):
                yield turned(crop), partial(back, corner=corner, turned=turned)


def _corners(sides: tuple[int, ...], size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Where the crops begin: every corner, then the centre."""
    if len(size) != len(sides) or any(part > side for part, side in zip(size, sides, strict=True)):
        raise BadValue(f"crops of size {size} from pictures of size {sides}", "crops that fit into the picture")
    room = [side - part for side, part in zip(sides, size, strict=True)]
    return [*product(*((0, free) for free in room)), tuple((free + 1) // 2 for free in room)]


def _cut(whole: Tensor, corner: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    where: tuple[Any, ...] = (..., *(slice(at, at + side) for at, side in zip(corner, size, strict=True)))
    return whole[where]


def _pasted(maps: Maps, corner: tuple[int, ...], sides: tuple[int, ...]) -> Maps:
    """Maps of a crop in their place of the whole, zero elsewhere."""
    edges = [(at, side - at - part) for at, side, part in zip(corner, sides, maps.shape[1:], strict=True)]
    return F.pad(maps, [edge for pair in reversed(edges) for edge in pair])


def _enlarged(maps: Maps, size: tuple[int, ...], cubic: bool) -> Maps:
    if not cubic:
        return resize_maps(maps, size)
    if len(size) != 2:
        raise BadValue("cubic=true for maps that are not flat", "cubic=false")
    return F.interpolate(maps[:, None], size, mode="bicubic", antialias=True).squeeze(1)


AVERAGES: MappingProxyType[str, type[Any]] = MappingProxyType(
    {"flips": Flips, "noise": Noise, "path": Path, "scales": Scales, "crops": Crops}
)


def find_average(spec: "str | Average | None") -> "Average | None":
    """An average from its words, such as "flips", "noise:samples=8,sigma=0.2" or "scales:factors=1+1.5+2"."""
    if spec is None or isinstance(spec, Average):
        return spec
    if not isinstance(spec, str):
        raise BadValue(f"the average {spec!r}", f"one of {', '.join(AVERAGES)}, or an average")
    name, words = read_request(spec)
    kinds = {spelling(known): kind for known, kind in AVERAGES.items()}
    if spelling(name) not in kinds:
        raise unknown("average", name, AVERAGES)
    kind = kinds[spelling(name)]
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for key, value in words.items():
        if key not in known:
            raise unknown("setting", key, known, owner=f"the average {name}")
        given[key] = convert(key, value, known[key].type, known[key].default)
    average: Average = kind(**given)
    return average


def _finite(factors: tuple[float, ...]) -> None:
    if not factors or not all(isfinite(factor) for factor in factors):
        raise BadValue(f"the setting factors={factors}", "one or more finite numbers")
