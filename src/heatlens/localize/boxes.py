"""Boxes around what is above a threshold: of the largest region, or of all that are large enough.

Learning Deep Features for Discriminative Localization.  Bolei Zhou, Aditya Khosla, Agata Lapedriza, Aude Oliva, Antonio
Torralba.  CVPR 2016, arXiv:1512.04150: the tight box of the largest connected region above 20 % of the maximum.  The
paper says neither what connects pixels nor whether the threshold belongs: here pixels connect at sides and corners, as
OpenCV's contours do, and the threshold does not.  LayerCAM's evaluation takes the largest box instead ("widest").
"""

from typing import Literal, get_args

import numpy as np

from ..images.regions import Boxes, Mask, box_area, regions
from ..words.errors import BadValue, unknown

Box = tuple[float, float, float, float]
Pick = Literal["largest", "widest", "all"]


def find_boxes(mask: Mask, *, pick: str = "largest", min_area: float = 0.01, merge: float = 0.5) -> list[Box]:
    """Boxes of a mask's regions, x0 y0 x1 y1, half-open, the largest region's first; none where the mask is empty.

    pick: "largest", the region of most pixels; "widest", the region with the largest box; "all", those of at least
    `min_area` of the picture, where boxes become one that share more than `merge` of the smaller of them.
    Raises BadValue, UnknownName.
    """
    if pick not in get_args(Pick):
        raise unknown("way to pick boxes", pick, [*get_args(Pick), "release"])
    if not 0 <= min_area <= 1 or not 0 <= merge <= 1:
        raise BadValue(f"min_area={min_area}, merge={merge}", "shares from 0 to 1")
    found = regions(mask)
    if not len(found):
        return []
    if pick == "largest":
        return _tuples(found.boxes[[found.largest]])
    if pick == "widest":
        return _tuples(found.boxes[[int(box_area(found.boxes).argmax())]])
    falling = np.argsort(-found.areas, kind="stable")
    large = [i for i in falling if found.areas[i] >= min_area * mask.size]
    return _tuples(merged(found.boxes[large], merge))


def merged(boxes: Boxes, share: float = 0.5) -> Boxes:
    """Boxes (k, 4) of which no two have more than `share` of the smaller one in common: such are replaced by one around
    both, again and again, so a nested box always goes."""
    kept: list[np.ndarray] = []
    for box in boxes:
        grown = box
        while (i := _partner(grown, kept, share)) is not None:
            other = kept.pop(i)
            grown = np.concatenate([np.minimum(grown[:2], other[:2]), np.maximum(grown[2:], other[2:])])
        kept.append(grown)
    result = np.array(kept).reshape(-1, 4)
    return result[np.argsort(-box_area(result), kind="stable")]


def _partner(box: np.ndarray, others: list[np.ndarray], share: float) -> int | None:
    """The first of the others that has enough in common with the box."""
    for i, other in enumerate(others):
        common = box_area(np.concatenate([np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])]))
        if common > share * min(box_area(box), box_area(other)):
            return i
    return None


def _tuples(boxes: Boxes) -> list[Box]:
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]
