"""Ten crops, as the release of CAM cuts them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...words.bounds import at_least
from ...words.errors import BadValue
from ...words.notation import Maps, resize, resize_maps
from .views import Views, mirrored, unchanged

Choice = Literal["mean", "centre"]


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
    choose: Choice = "mean"
    """What says the classes that are explained: the mean of the crops' probabilities, as the release, or the centre."""
    scaled: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    passes: ClassVar[float] = 10
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
            for turned in (unchanged, mirrored):
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
