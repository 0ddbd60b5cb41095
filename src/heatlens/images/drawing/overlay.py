"""The heat on the photo: blended, with what the model never saw shown as unseen, contours and the peak."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from ...words.errors import BadValue, unknown
from ...words.notation import resize_maps
from ..placement import Box
from . import colour, marks

Blend = Literal["heat", "uniform"]

_FADE = 0.6
"""Below this share of the strongest heat the photo begins to shine through."""


def overlay(
    pixels: NDArray[np.uint8],
    map: colour.Map,
    *,
    alpha: float = 0.65,
    blend: Blend = "heat",
    cmap: str | None = None,
    signed: bool | None = None,
    top: float | None = None,
    seen: colour.Map | None = None,
    contour: float | Sequence[float] | None = None,
    peak: tuple[float, float] | None = None,
    boxes: Sequence[Box] = (),
    side: int | None = None,
) -> Image.Image:
    """A photo (H, W, 3) uint8 with a map (H, W) on it, as an RGB image.

    alpha     opacity of the heat; with blend "heat" that of the hottest places, cold ones stay photo
    cmap, signed, top    as in `colourise`
    seen      (H, W) bool; what is False is greyed and hatched
    contour   one or several shares of `top`, in (0, 1]: lines around what is at least that strong
    peak      (x, y) in photo pixels, marked with a ring
    boxes     (x0, y0, x1, y1) in photo pixels, half-open, drawn in white
    side      draw at this size (longer side in pixels) instead of the photo's own

    Raises BadValue, UnknownName, NotFinite.
    """
    values, is_signed = colour.strength(_matching(map, pixels, "map"), signed=signed, top=top)
    mask = None if seen is None else _matching(seen, pixels, "seen area").astype(bool)
    photo = Image.fromarray(pixels)
    size = _drawn(photo.size, side)
    if size != photo.size:
        values = _resized(values, size)
        mask = None if mask is None else _resized(mask.astype(np.float32), size) > 0.5
        photo = fit(photo, max(size))
    heat = Image.fromarray(colour.paint(values, is_signed, cmap))
    picture = Image.composite(heat, photo, _opacity(values, alpha, blend))
    if mask is not None and not mask.all():
        picture = marks.unseen(picture, photo, mask)
    for level in _levels(contour):
        picture = marks.contour(picture, np.abs(values), level)
    ratio = size[0] / pixels.shape[1], size[1] / pixels.shape[0]
    for box in boxes:
        picture = marks.rectangle(picture, marks.scaled(box, ratio))
    if peak is not None:
        picture = marks.ring(picture, ((peak[0] + 0.5) * ratio[0], (peak[1] + 0.5) * ratio[1]))
    return picture


def fit(image: Image.Image, side: int) -> Image.Image:
    """An image whose longer side is `side` pixels."""
    size = _drawn(image.size, side)
    if size == image.size:
        return image
    smaller = size[0] < image.width
    return image.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC, reducing_gap=3)


def _drawn(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    if side is None:
        return size
    if side < 1:
        raise BadValue(f"A picture cannot be {side} pixels long", "Expected at least 1")
    return max(round(size[0] * side / max(size)), 1), max(round(size[1] * side / max(size)), 1)


def _matching(map: colour.Map, pixels: NDArray[np.uint8], what: str) -> colour.Floats:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise BadValue(
            f"The photo is an array {pixels.dtype} {pixels.shape}",
            "Expected uint8 (height, width, 3)",
            "Use read_photo(...).pixels",
        )
    values = colour.as_array(map)
    if values.shape != pixels.shape[:2]:
        raise BadValue(
            f"The {what} is {values.shape}, the photo {pixels.shape[:2]}",
            "Expected the same size",
            "Lay the map on the photo with to_photo first",
        )
    return values


def _resized(values: colour.Floats, size: tuple[int, int]) -> colour.Floats:
    """A map at (width, height): linear when enlarged, averaged when reduced."""
    maps = torch.from_numpy(values)[None]
    reduced = size[0] < values.shape[1]
    drawn = F.interpolate(maps[None], size[::-1], mode="area")[0] if reduced else resize_maps(maps, size[::-1])
    return colour.as_array(drawn[0])


def _opacity(values: colour.Floats, alpha: float, blend: Blend) -> Image.Image:
    if not 0 <= alpha <= 1:
        raise BadValue(f"The opacity alpha is {alpha}", "Expected a number from 0 (photo) to 1 (heat)")
    if blend not in get_args(Blend):
        raise unknown("way to blend", blend, get_args(Blend))
    shares = np.ones_like(values) if blend == "uniform" else np.minimum(np.abs(values) / _FADE, 1)
    return Image.fromarray((shares * (alpha * 255)).round().astype(np.uint8))


def _levels(contour: float | Sequence[float] | None) -> Sequence[float]:
    levels: list[float] = [] if contour is None else np.atleast_1d(contour).tolist()
    for level in levels:
        if not 0 < level <= 1:
            raise BadValue(f"A contour at {level}", "Expected a share of the strongest heat, above 0 and at most 1")
    return levels
