"""What is true of a photo, as a data set says it: the class, where its objects are, which pixels are theirs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..words.errors import BadValue

Box = tuple[float, float, float, float]
"""x0 y0 x1 y1 in pixels, half-open."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth about one photo; what is not known is left out."""

    label: int | None = None
    """Index of the true class."""
    boxes: tuple[Box, ...] = ()
    """Around every object of that class, in the photo's own pixels."""
    mask: Path | NDArray[np.uint8] | None = None
    """(H, W) of the photo's size, or a picture file of it: 1 object, 0 not, 255 not judged."""

    def __post_init__(self) -> None:
        for box in self.boxes:
            if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
                raise BadValue(f"the box {box}", "x0 y0 x1 y1 with x0 < x1 and y0 < y1")
