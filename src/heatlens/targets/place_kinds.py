"""The kinds of targets that stand at a place, as a person writes them."""

from .dense import Region
from .detections import Box
from .kind import Kind

REGION = Kind(
    "region",
    "the class over the places where it is the strongest (segmentation)",
    lambda asked: asked.placed(Region),
    settings=True,
)
BOX = Kind(
    "box",
    "one detection of the class, found again by its overlap (detection)",
    lambda asked: asked.placed(Box),
    settings=True,
)
