"""Connected regions of a binary picture, and the boxes around them.

Two pixels of a region touch at a side or a corner (8-connected); a hole is what a region encloses, its pixels touching
at sides only.  So have OpenCV's contours it, in which the protocols of the field are written.
Boxes are (k, 4), x0 y0 x1 y1, half-open.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..words.optional import require

Mask = NDArray[np.bool_]
Boxes = NDArray[np.float64]

FIVE_GUESSES = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))
"""(class by rank, box) of the CAM release: the loose and tight box of the first two classes, the third's loose one."""
_CORNERS_TOO = np.ones((3, 3), int)


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a mask, in the order in which their first pixels are read."""

    labels: NDArray[np.int32]
    """(H, W): k + 1 on the k-th region, 0 outside."""
    areas: NDArray[np.int64]
    """(k,) pixels."""
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.areas)

    @property
    def largest(self) -> int:
        """Which has the most pixels; the first among equals."""
        return int(self.areas.argmax())


def regions(mask: Mask) -> Regions:
    """The 8-connected regions of a mask (H, W)."""
    labels, count = require("scipy.ndimage").label(mask, _CORNERS_TOO)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return Regions(labels, areas, _around(labels))


def hole_boxes(mask: Mask) -> Boxes:
    """Around every hole and the rim of pixels that encloses it: what OpenCV gives for the contour of a hole."""
    outside = np.pad(~mask, 1, constant_values=True)
    labels, count = require("scipy.ndimage").label(outside)
    rim = np.array([-2, -2, 0, 0])  # one pixel around, and back to before the padding
    return np.asarray((_around(labels) + rim)[np.arange(1, count + 1) != labels[0, 0]])


def overlap(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """(k, m): intersection over union of every two boxes, 0 where both are empty."""
    first, second = np.asarray(boxes, float).reshape(-1, 1, 4), np.asarray(others, float).reshape(1, -1, 4)
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    common = (high - low).clip(0).prod(-1)
    union = box_area(first) + box_area(second) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(union), where=union > 0))


def box_area(boxes: Boxes) -> NDArray[np.float64]:
    """Of boxes (..., 4); 0 where a side is not positive."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clip(0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _around(labels: NDArray[np.int32]) -> Boxes:
    slices = require("scipy.ndimage").find_objects(labels)
    corners = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return np.asarray(corners, float).reshape(-1, 4)
