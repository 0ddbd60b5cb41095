"""A target and the shape of the outputs that it meets: what is meant where nobody said, what cannot be meant."""

from typing import Any

from ..words.errors import BadValue
from ..words.trees import Tree
from .classes import Logit
from .dense import Region
from .detections import Box, are_detections
from .made_of_targets import Negative, Sum
from .outputs import Reads, scores_in

_PREDICTED = (
    "the network answers place by place: the region that it predicts is explained; region:CLASS names another class"
)


def fitting(target: Any, outputs: Tree, dimensions: int) -> tuple[Any, list[str]]:
    """The target for outputs of images with so many dimensions of space, and what a person should know of it.

    The prediction of a network that answers place by place is the region of what it predicts, that of a detector its
    strongest detection.  A region of outputs that are no picture is a `BadValue`.
    """
    if not isinstance(target, Reads) or are_detections(outputs):
        return (Box() if target == Logit() else target), []
    if target == Logit() and (scores := scores_in(outputs)) is not None and scores.ndim == dimensions + 2:
        return Region(), [_PREDICTED]
    if _is_region(target) and (scores := scores_in(outputs)) is not None and scores.ndim not in (2, dimensions + 2):
        raise BadValue(
            f"a region of outputs of shape {tuple(scores.shape)}, which are no picture of classes",
            f"(images, classes, {', '.join('dhw'[3 - dimensions :])})",
            "of a detector's (images, 4 + classes, boxes) explain a class by a function: "
            "target=lambda out: out[:, 4 + CLASS].amax(1)",
        )
    return target, []


def _is_region(target: Any) -> bool:
    parts = target.of if isinstance(target, Sum) else (target.of,) if isinstance(target, Negative) else ()
    return isinstance(target, Region) or any(map(_is_region, parts))
