"""The boxes that a map guesses: on the model's input, or as a protocol has it, on the photo's own pixels."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...images.regions import FIVE_GUESSES, regions
from ...words.bounds import a_share
from ...words.errors import BadSetting
from ...words.notation import Maps

Pick = Literal["largest", "widest", "grabcut", "release"]
"""largest: of the region with the most pixels, on the model's input.  On the photo's own pixels: widest, of the region
with the largest box; grabcut, the same after what is above the threshold was grown along the photo's edges (LayerCAM's
evaluation, with threshold=0.15); release, the CAM release's boxes, loose and tight, with thresholds of their own."""

Guess = Literal["loose", "tight", "both"]
"""Which of the release's boxes: the first, the second, or five guesses of both: the first two classes' loose and tight
one, and the third's loose one."""

Located = Callable[..., list[tuple[NDArray[np.float64], NDArray[np.float64]]]]
"""located(**how) -> for each image the boxes that are found and the true ones, (k, 4) on the photo's own pixels."""

Boxed = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def boxed(heat: Maps, boxes: Sequence[Tensor], located: Located, threshold: float, pick: Pick) -> Boxed:
    """For each image the boxes that are guessed, the best first, and the true ones, in one picture's pixels."""
    a_share(threshold=threshold)
    match pick:
        case "largest":
            true = (own.cpu().numpy() for own in boxes)
            return [(_largest(one, threshold), own) for one, own in zip(heat.cpu().numpy(), true, strict=True)]
        case "widest":
            return located(threshold=threshold, pick="widest")
        case "grabcut":
            return located(threshold=threshold, pick="widest", refine="grabcut")
        case "release":
            if threshold != 0.2:
                raise BadSetting(f"threshold={threshold} with pick='release'", "its own thresholds, 20, 100 and 110")
            return located(pick="release")


def guesses_of(boxes: NDArray[np.float64], rank: int, guess: Guess, count: int) -> NDArray[np.float64]:
    """(k, 4): those boxes of the class of a rank that are among the first `count` guesses."""
    places = {
        "loose": [(r, 0) for r in range(count)],
        "tight": [(r, 1) for r in range(count)],
        "both": FIVE_GUESSES[:count],
    }[guess]
    return boxes[[box for r, box in places if r == rank and box < len(boxes)]]


def two_boxes(pick: Pick, guess: Guess) -> None:
    """Only the release has a tight box beside the loose one."""
    if guess != "loose" and pick != "release":
        raise BadSetting(
            f"the setting guess={guess!r} with pick={pick!r}", "pick='release', which has two boxes a class"
        )


def _largest(values: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    parts = regions(values > threshold * values.max())
    return parts.boxes[[parts.largest]] if len(parts) else np.zeros((0, 4))
