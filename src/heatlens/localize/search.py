"""A map and its photo -> mask and boxes, with every choice that a person has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.regions import Mask
from ..words.errors import BadValue, unknown
from .boxes import Box, find_boxes
from .grabcut import grabcut
from .release import release_boxes
from .thresholds import USUAL, Map, Threshold, above


def find_mask(
    values: Map,
    pixels: NDArray[np.uint8],
    seen: Mask | None = None,
    *,
    threshold: Threshold = USUAL,
    refine: str | None = None,
) -> Mask:
    """(H, W): where a map is above a threshold; refine="grabcut" grows that along the edges of the photo.

    pixels: the photo (H, W, 3).  seen: pixels that the model saw; no others are marked.  Raises BadValue, UnknownName.
    """
    if refine not in (None, "grabcut"):
        raise unknown("way to refine a mask", refine, ["grabcut"])
    mask = above(values, threshold, seen)
    if refine is None:
        return mask
    grown = grabcut(pixels, mask)
    return grown if seen is None else grown & seen


def search(
    values: Map,
    pixels: NDArray[np.uint8],
    seen: Mask | None = None,
    *,
    threshold: Threshold | None = None,
    pick: str = "largest",
    refine: str | None = None,
    **settings: Any,
) -> list[Box]:
    """Boxes of a map (H, W), x0 y0 x1 y1, half-open, the first one the best guess; none where nothing is above.

    threshold: a share of the maximum (0.3), "percentile:90", "otsu" or "fixed:0.5".  refine: "grabcut".
    pick: "largest", "widest", "all" with min_area=0.01 and merge=0.5 (`find_boxes`), or "release", the CAM release's
    boxes, loose and tight, with thresholds of their own (`release_boxes`).  Raises BadValue, UnknownName.
    """
    if pick == "release":
        if threshold is not None or refine is not None:
            raise BadValue(f"threshold={threshold!r}, refine={refine!r}", "neither beside pick='release'")
        return release_boxes(values if seen is None else np.where(seen, values, 0), **settings)
    mask = find_mask(values, pixels, seen, threshold=USUAL if threshold is None else threshold, refine=refine)
    return find_boxes(mask, pick=pick, **settings)
