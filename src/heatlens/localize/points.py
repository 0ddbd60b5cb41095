"""Points on objects: the peak, and other places that are higher than all around them."""

import numpy as np
from numpy.typing import NDArray

from ..images.regions import Mask, regions
from ..words.errors import BadValue
from ..words.optional import require
from .thresholds import USUAL, Map, Threshold, above

Point = tuple[int, int]


def find_points(
    values: Map,
    *,
    count: int | None = None,
    distance: float = 0.05,
    threshold: Threshold = USUAL,
    seen: Mask | None = None,
) -> list[Point]:
    """(x, y) of the local maxima of a map (H, W) above a threshold, the highest first.

    A plateau higher than all around it is one maximum, at the first of its pixels in reading order; equal maxima come
    in that order.  distance: share of the picture's shorter side that two points are apart at least; of nearer ones the
    higher stays.  count: how many at most.  Raises BadValue.
    """
    if (count is not None and count < 1) or distance < 0:
        raise BadValue(f"count={count}, distance={distance}", "a count of at least 1, a distance of at least 0")
    y, x = _maxima(np.where(above(values, threshold, seen), values, -np.inf))
    kept: list[int] = []
    for i in np.argsort(-values[y, x], kind="stable").tolist():
        near = np.hypot(x[kept] - x[i], y[kept] - y[i]) < distance * min(values.shape)
        if not near.any() and (count is None or len(kept) < count):
            kept.append(i)
    return [(int(x[i]), int(y[i])) for i in kept]


def _maxima(values: Map) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the first pixel of every plateau that is higher than all around it, in reading order."""
    framed = np.pad(values, 1, constant_values=-np.inf)
    highest = require("skimage.morphology", extra="localize").local_maxima(framed)[1:-1, 1:-1] & (values > -np.inf)
    names, first = np.unique(regions(highest).labels, return_index=True)
    y, x = np.divmod(np.sort(first[names > 0]), values.shape[1])
    return y, x
