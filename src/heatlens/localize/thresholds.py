"""What counts as found: a number above which a map's values are."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.regions import Mask
from ..words.errors import BadValue
from ..words.optional import require

Map = NDArray[np.float32]
Threshold = float | str | Callable[[Map], float]
"""A share of the map's maximum, as a number or as "max:0.2"; "percentile:90"; "otsu"; "fixed:0.5", a value of the map;
or any function from a map's values (k,) to a number."""

_FORMS = "a share of the maximum such as 0.2, percentile:90, otsu or fixed:0.5"


USUAL = 0.3
"""Chosen by measurement (docs/how-to/locate.md): at the CAM paper's 0.2 fewer are right, more all of the photo."""


def above(values: Map, threshold: Threshold = USUAL, seen: Mask | None = None) -> Mask:
    """(H, W): where a map is above a threshold, strictly.

    seen: pixels that count; the others are in no mask and change no threshold.  Raises BadValue.
    """
    inside = np.ones(values.shape, bool) if seen is None else seen
    counted = values[inside]
    if not counted.size:
        return inside
    return np.asarray((values > find_threshold(threshold)(counted)) & inside)


def find_threshold(threshold: Threshold) -> Callable[[Map], float]:
    """The function from a map's values to the number, for any way to write a threshold.  Raises BadValue."""
    if callable(threshold):
        return threshold
    name, _, number = str(threshold).partition(":")
    match name:
        case "otsu" if not number:
            return lambda values: float(require("skimage.filters", extra="localize").threshold_otsu(values))
        case "percentile":
            rank = _number(threshold, number, 0, 100)
            return lambda values: float(np.percentile(values, rank))
        case "fixed":
            level = _number(threshold, number, -np.inf, np.inf)
            return lambda values: level
        case _:
            share = _number(threshold, number if name == "max" else name, 0, 1)
            return lambda values: max(share * float(values.max()), 0.0)


def _number(threshold: Any, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BadValue(f"the threshold {threshold!r}", _FORMS) from None
    if not low <= value <= high or (high == 1 and value == 1):
        raise BadValue(f"the threshold {threshold!r}", f"{_FORMS}; a share is at least 0 and below 1")
    return value
