"""The box generator in the CAM release (bboxgenerator/dt_box.cpp of zhoubolei/CAM), another algorithm than the paper's.

1. The map's positive part over its maximum, in 8 bits, through a JPEG if asked for: the release hands it on as a file.
2. For each threshold: what is above it, and of that what is further inside than about 4 % of the greatest depth
   (exact Euclidean distances, the greatest set to 255, rounded, above 10).
3. A box around every region and every hole, which end five pixels before the right and lower edges of the picture.
4. The largest first.  In turn, each box takes away later ones that share more than half of the larger one's area with
   it.  After one is taken away the next in line is not looked at: the release's loop steps over it.

[20, 100, 110] are the thresholds of its scripts, {30, 90, 150} those of the program by itself.  The first box is the
loose one, the second the tight one.  There may be one or none.  Boxes of equal area stay in the order of their finding.
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..images.regions import Boxes, Mask, box_area, hole_boxes, regions
from ..words.errors import BadValue
from ..words.optional import require
from .boxes import Box
from .thresholds import Map

_MARGIN = 5
_DEPTH = 10
_QUALITY = 75
"""MATLAB's for a JPEG."""


def release_boxes(
    values: Map | NDArray[np.uint8], thresholds: Sequence[int] = (20, 100, 110), *, jpeg: bool = False
) -> list[Box]:
    """Boxes of a map (H, W), x0 y0 x1 y1, half-open, the largest first: loose, tight, and what is left.

    values: uint8 are the levels themselves, as the release's program reads them from a file.  thresholds: of 255.
    jpeg: with the losses of the file between the release's programs.  Raises BadValue.
    """
    if not all(0 < t < 255 for t in thresholds):
        raise BadValue(f"thresholds {tuple(thresholds)}", "numbers between 0 and 255")
    levels = _eight_bits(values, jpeg)
    found = [_all_boxes(_eroded(levels > threshold)) for threshold in thresholds]
    boxes = np.concatenate([*found, np.zeros((0, 4))])
    ended = np.minimum(boxes, np.array([levels.shape[1], levels.shape[0]] * 2) - _MARGIN)
    there = ended[box_area(ended) > 0]
    falling = there[np.argsort(-box_area(there), kind="stable")]
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in _thinned(falling.tolist())]


def _eight_bits(values: Map | NDArray[np.uint8], jpeg: bool) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        levels = values.astype(np.uint8)
    else:
        positive = values.clip(0)
        top = positive.max(initial=0)
        levels = (positive / top * 255 if top > 0 else positive).round().astype(np.uint8)
    if not jpeg:
        return levels
    file = BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=_QUALITY)
    return np.array(Image.open(file))


def _eroded(mask: Mask) -> Mask:
    if mask.all() or not mask.any():
        return mask  # nothing to measure a depth from
    depth = require("scipy.ndimage").distance_transform_edt(mask)
    return np.asarray(np.floor(depth * (255 / depth.max()) + 0.5) > _DEPTH)


def _all_boxes(mask: Mask) -> Boxes:
    return np.concatenate([regions(mask).boxes, hole_boxes(mask)])


def _thinned(boxes: list[list[float]]) -> list[list[float]]:
    kept = list(boxes)
    i = 0
    while i < len(kept):
        j = i + 1
        while j < len(kept):
            if _alike(np.array(kept[i]), np.array(kept[j])):
                del kept[j]
            j += 1  # also after a deletion, which steps over a box
        i += 1
    return kept


def _alike(box: Boxes, other: Boxes) -> bool:
    common = box_area(np.concatenate([np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])]))
    return bool(common > int(max(box_area(box), box_area(other)) * 0.5))
