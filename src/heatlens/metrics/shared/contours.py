"""What OpenCV's contours of a map above each of its levels would be: their boxes, and which is the largest."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...images.regions import Boxes, regions
from ...words.optional import require
from .level_sets import LEVELS as LEVELS
from .level_sets import Branches, branches

_Levels = NDArray[np.uint8]
_Hits = NDArray[np.bool_]


def any_contour(levels: _Levels) -> tuple[Boxes, NDArray[np.int64]]:
    """Boxes (m, 4) of all contours of {levels > t}, of regions and of holes, and their levels t (m,)."""
    outer = branches(levels, areas=True)  # as largest_contours asks, which then need not look again
    peak, level = outer.alive.nonzero()
    holes, at = _holes(levels)
    empty = np.flatnonzero(~outer.alive.any(0))
    boxes = [_ended(outer.boxes[peak, level], levels), _ended(holes, levels), np.zeros((len(empty), 4))]
    return np.concatenate(boxes), np.concatenate([level, at, empty])


def largest_contours(levels: _Levels, hit: Callable[[Boxes], _Hits]) -> _Hits:
    """(255,): whether the box of the largest contour of {levels > t} is a hit, which `hit` says of boxes (m, 4)."""
    found = branches(levels, areas=True)
    boxes = _ended(found.boxes.reshape(-1, 4), levels).reshape(found.boxes.shape)
    hits = found.alive & hit(boxes.reshape(-1, 4)).reshape(found.alive.shape)
    least, most = _bounds(found)
    candidates = found.alive & (most >= least.max(0, initial=0))
    verdict = (hits & candidates).any(0)
    for level in np.flatnonzero(verdict & (candidates & ~hits).any(0)):
        verdict[level] = hit(_ended(_largest(levels > level), levels))[0]
    empty = ~found.alive.any(0)
    verdict[empty] = hit(np.zeros((1, 4)))[0]
    return np.asarray(verdict)


def outline_area(mask: NDArray[np.bool_]) -> float:
    """The area between the centres of a region's outer pixels, holes filled: OpenCV's contourArea of its contour."""
    filled = require("scipy.ndimage").binary_fill_holes(np.pad(mask, 1)).astype(np.int8)
    corners = filled[:-1, :-1] + filled[:-1, 1:] + filled[1:, :-1] + filled[1:, 1:]
    return float((corners == 3).sum() / 2 + (corners == 4).sum())


def _bounds(found: Branches) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """(peaks, 255): what a contour's area is at least and at most; -1 where there is none."""
    sides = found.boxes[..., 2:].astype(np.float32) - found.boxes[..., :2] - 1
    return np.where(found.alive, found.areas, -1), np.where(found.alive, sides[..., 0] * sides[..., 1], -1)


def _largest(mask: NDArray[np.bool_]) -> Boxes:
    """(1, 4): around the region with the largest outline, the last one read among equals."""
    found = regions(mask)
    best, at = -1.0, 0
    for i in reversed(range(len(found))):
        x0, y0, x1, y1 = found.boxes[i].astype(int)
        if (x1 - x0 - 1) * (y1 - y0 - 1) > best:  # else it cannot be larger
            area = outline_area(found.labels[y0:y1, x0:x1] == i + 1)
            best, at = max((best, at), (area, i), key=lambda pair: pair[0])
    return found.boxes[at : at + 1]


def _holes(levels: _Levels) -> tuple[Boxes, NDArray[np.int64]]:
    """Around every hole of {levels > t} and the rim that encloses it, and the levels t."""
    height, width = levels.shape
    found = branches(255 - levels, corners=False)  # {levels <= t} is {255 - levels > 254 - t}
    low, high = found.boxes[..., :2].min(-1), found.boxes[..., 2:]
    enclosed = found.alive & (low > 0) & (high[..., 0] < width) & (high[..., 1] < height)
    peak, level = enclosed.nonzero()
    return found.boxes[peak, level] + np.array([-1, -1, 1, 1]), LEVELS - 1 - level


def _ended(boxes: NDArray[np.generic], levels: _Levels) -> Boxes:
    """Boxes whose far corner is a pixel of the picture."""
    last = np.array([np.inf, np.inf, levels.shape[1] - 1, levels.shape[0] - 1])
    return np.asarray(np.minimum(boxes.astype(float), last))
