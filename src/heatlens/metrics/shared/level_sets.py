"""The connected regions of a map above each of its 255 levels, all at once.

A region of {v > t} grows as t falls, and joins others; so the regions of all levels make a forest, and need not be
searched level by level.  Every pixel climbs to its highest neighbour until it stands on a peak.  Two peaks belong to
one region at t where a pair of neighbouring pixels of theirs are both above t; a minimal spanning forest over the
peaks says from which level on that is so (Najman & Couprie, Building the component tree in quasi-linear time, 2006,
do the same over the pixels).  One of two joined peaks ends there, the other carries both on.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 255
_FAR = np.iinfo(np.int16).max
_SIDES = ((0, 1), (1, 0))
_CORNERS = ((1, 1), (1, -1))

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Branches:
    """Regions over the levels: peak i at level t in the i-th row and t-th column, where `alive`."""

    alive: NDArray[np.bool_]
    """(peaks, 255): whether the peak stands for a region of {v > t} there."""
    boxes: NDArray[np.int16]
    """(peaks, 255, 4): x0 y0 x1 y1 around that region, half-open."""
    areas: NDArray[np.floating]
    """(peaks, 255): the area between the centres of the region's outer pixels, holes taken out."""


def branches(levels: NDArray[np.uint8], *, corners: bool = True, areas: bool = False) -> Branches:
    """Of a map (H, W) uint8; not to be changed, since the last ones are kept.

    corners: whether pixels that touch at a corner are neighbours.  areas: whether to find them; else they are 0.
    """
    return _branches(levels.tobytes(), levels.shape, corners, areas)


@lru_cache(maxsize=16)  # several metrics ask for the same map, and methods that stand together often give the same one
def _branches(content: bytes, shape: tuple[int, int], corners: bool, areas: bool) -> Branches:
    levels = np.frombuffer(content, np.uint8).reshape(shape)
    if not levels.any():
        return Branches(np.zeros((0, LEVELS), bool), np.zeros((0, LEVELS, 4), np.int16), np.zeros((0, LEVELS)))
    count, steps = levels.size, _SIDES + _CORNERS * corners
    bits = count.bit_length()
    whole = np.dtype(np.int32 if bits < 23 else np.int64)
    order: Any = np.left_shift(levels, bits, dtype=whole) + np.arange(count, dtype=whole).reshape(levels.shape)
    peak_of = _climbed(order, steps, bits)
    peaks = np.flatnonzero((peak_of == np.arange(count)) & (levels.ravel() > 0))
    numbers = np.zeros(count, np.int64)
    numbers[peaks] = np.arange(len(peaks))
    number = numbers[peak_of].reshape(levels.shape)
    corner = _corners(levels, number, len(peaks))
    area = _areas(levels, number, order, bits, len(peaks)) if areas else np.zeros(corner[:, 0].shape, np.float32)
    top = levels.ravel()[peaks].astype(np.int64)
    end = _joined(_meetings(levels, number, steps), corner, area)
    at = np.arange(LEVELS)
    alive = (end[:, None] <= at) & (at < top[:, None])
    corner[:, 2:] *= -1
    return Branches(alive, corner.transpose(0, 2, 1), area)


def _climbed(order: Any, steps: Any, bits: int) -> Any:
    """The place that each pixel reaches by always stepping to its highest neighbour; places are the last bits."""
    best = order.copy()
    for one, other in _neighbours(steps, order.shape):
        np.maximum(best[one], order[other], out=best[one])
        np.maximum(best[other], order[one], out=best[other])
    above = best.ravel() & ((1 << bits) - 1)
    while True:
        further = above[above]
        if np.array_equal(further, above):
            return above
        above = further


def _neighbours(steps: Any, shape: tuple[int, ...]) -> list[Any]:
    """For each step (down, right) the slices of all pixels and of their neighbours there."""

    def along(step: int, size: int) -> tuple[slice, slice]:
        first, second = slice(max(-step, 0), size - max(step, 0)), slice(max(step, 0), size + min(step, 0))
        return first, second

    pairs = [(along(down, shape[0]), along(right, shape[1])) for down, right in steps]
    return [((rows[0], columns[0]), (rows[1], columns[1])) for rows, columns in pairs]


def _corners(levels: NDArray[np.uint8], number: Ints, peaks: int) -> NDArray[np.int16]:
    """(peaks, 4, 255): x0, y0, -x1, -y1 around the pixels above each level that climb to the peak."""
    found = np.full((4, peaks, LEVELS + 1), _FAR, np.int16)  # what is 0 is above no level and falls into a column more
    x0, y0, x1, y1 = found.reshape(4, -1)
    place = number * (LEVELS + 1) + levels
    height, width = levels.shape
    by_row, by_column = place.ravel(), place.T.ravel()
    y, x = np.repeat(np.arange(height), width), np.repeat(np.arange(width), height)
    y1[by_row], x1[by_column] = -1 - y, -1 - x  # of several numbers for one place the last one stays
    y0[by_row[::-1]], x0[by_column[::-1]] = y[::-1], x[::-1]
    down = np.minimum.accumulate(found[..., :0:-1], -1)[..., ::-1]
    return np.ascontiguousarray(down.transpose(1, 0, 2))


def _areas(levels: NDArray[np.uint8], number: Ints, order: Any, bits: int, peaks: int) -> NDArray[np.float32]:
    """(peaks, 255): half for every three, whole for every four pixels of a 2 x 2 square that are above the level."""
    low = np.minimum(order[:-1, :-1], order[:-1, 1:]), np.minimum(order[1:, :-1], order[1:, 1:])
    high = np.maximum(order[:-1, :-1], order[:-1, 1:]), np.maximum(order[1:, :-1], order[1:, 1:])
    third = np.minimum(np.maximum(*low), np.minimum(*high))  # from above
    at = np.concatenate([third.ravel(), np.minimum(*low).ravel()]) & ((1 << bits) - 1)
    place = (number * (LEVELS + 1) + levels).ravel()[at]
    halves = np.bincount(place, minlength=peaks * (LEVELS + 1)).reshape(peaks, LEVELS + 1)
    return (halves[:, :0:-1].cumsum(1)[:, ::-1] / 2).astype(np.float32)


def _meetings(levels: NDArray[np.uint8], number: Ints, steps: Any) -> list[tuple[int, int, int]]:
    """(level, peak, peak), the highest first: where the slopes of two peaks meet highest."""
    found = []
    peaks = int(number.max()) + 1
    for one, other in _neighbours(steps, levels.shape):
        height = np.minimum(levels[one], levels[other])
        edge = (number[one] != number[other]) & (height > 0)
        first, second = number[one][edge], number[other][edge]
        pair = np.minimum(first, second) * peaks + np.maximum(first, second)
        found.append(pair * (LEVELS + 1) + (LEVELS - height[edge].astype(np.int64)))
    pairs, depth = np.divmod(np.sort(np.concatenate(found)), LEVELS + 1)
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    pairs, height = pairs[first], LEVELS - depth[first]
    falling = np.argsort(-height, kind="stable")
    ends = np.divmod(pairs[falling], peaks)
    return list(zip(height[falling].tolist(), ends[0].tolist(), ends[1].tolist(), strict=True))


def _joined(meetings: list[tuple[int, int, int]], corner: NDArray[np.int16], area: NDArray[np.float32]) -> Ints:
    """(peaks,): the level under which each is carried on by another; those others' corners and areas grow in place."""
    carrier, end = list(range(len(corner))), np.zeros(len(corner), np.int64)

    def find(peak: int) -> int:
        while carrier[peak] != peak:
            carrier[peak] = carrier[carrier[peak]]
            peak = carrier[peak]
        return peak

    for height, *pair in meetings:
        one, other = map(find, pair)
        if one != other:
            carrier[other], end[other] = one, height
            np.minimum(corner[one, :, :height], corner[other, :, :height], out=corner[one, :, :height])
            area[one, :height] += area[other, :height]
    return end
