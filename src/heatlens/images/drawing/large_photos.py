"""Drawing on photos that are much larger than the picture: both photo and map are made small first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..placement import Placement, rescaled, seen, to_photo
from .overlay import fit, overlay

_LARGE = 2**24
"""Pixels of a photo above which this is done."""
_ROWS = 64


def is_large(pixels: NDArray[np.uint8], side: int | None) -> bool:
    """Whether a photo (H, W, 3) is large, and drawn smaller than it is."""
    height, width = pixels.shape[:2]
    return side is not None and height * width > _LARGE and max(height, width) > side


def overlay_small(
    pixels: NDArray[np.uint8],
    map: Tensor,
    placement: Placement,
    *,
    side: int,
    boxes: Any = (),
    peak: Any = None,
    **look: Any,
) -> Image.Image:
    """As `overlay` of the photo and the map (h, w) laid on it; peak and boxes are in pixels of the photo."""
    small = reduced(pixels, side)
    there = rescaled(placement, (small.shape[0], small.shape[1]))
    ratio = small.shape[1] / pixels.shape[1], small.shape[0] / pixels.shape[0]
    at = None if peak is None else tuple((x + 0.5) * share - 0.5 for x, share in zip(peak, ratio, strict=True))
    drawn = [tuple(x * share for x, share in zip(box, ratio * 2, strict=True)) for box in boxes]
    given = {"seen": seen(there).numpy(), **look}
    return overlay(small, to_photo(map, there), peak=at, boxes=drawn, **given)


def reduced(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A large photo (H, W, 3) with a longer side of `side` pixels, never held a second time as it is."""
    height, width = pixels.shape[:2]
    factor = max(max(height, width) // (3 * side), 1)  # as Pillow's reducing_gap of 3
    rows = [
        np.asarray(Image.fromarray(pixels[begin : begin + _ROWS * factor]).reduce(factor))
        for begin in range(0, height, _ROWS * factor)
    ]
    return np.asarray(fit(Image.fromarray(np.concatenate(rows)), side))
