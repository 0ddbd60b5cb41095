"""MaxBoxAcc and MaxBoxAccV2.  Junsuk Choe, Seong Joon Oh, Seungho Lee, Sanghyuk Chun, Zeynep Akata, Hyunjung Shim:
Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020, arXiv:2001.07437, and Evaluation for Weakly
Supervised Object Localization: Protocol, Metrics, and Datasets, 2020, arXiv:2007.04178.

    BoxAcc(tau, delta)  = 1/N sum_i  1[ IoU(box of {L_i > tau}, true box) >= delta ]
    MaxBoxAcc           = max_tau BoxAcc(tau, 0.5)                      the box of the largest contour
    MaxBoxAccV2         = mean over delta in {0.3, 0.5, 0.7} of max_tau BoxAcc(tau, delta)        of any contour

As the authors' evaluation has it: L is scaled to [0, 1] by its extremes and cut to 8 bits, so that the thresholds
0, 0.001 … 0.999 are the levels 0 to 254 and every level counts once; contours are OpenCV's, those of holes included;
the largest has the largest area between its pixels' centres, the last one read among equals; a box ends one pixel
behind its last one, but never behind the picture; widths count + 1; true boxes are cut to whole numbers, and the best
of them counts.  The authors enlarge maps to 224 x 224 by a cubic, here they come at the size of the model's input.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..images.regions import Boxes, overlap
from ..words.bounds import a_share
from ..words.metric import Line, metric
from ..words.notation import Maps, unit_range
from .shared.contours import LEVELS, any_contour, largest_contours

_DELTAS = (0.3, 0.5, 0.7)
_Hits = NDArray[np.bool_]


def _best_level(values: NDArray[np.float64]) -> float:
    """The highest share of hits at one level: MaxBoxAcc of all photos, mean over the deltas of each's."""
    defined = values[~np.isnan(values).any(-1)]
    return float(defined.mean(0).reshape(-1, LEVELS).max(-1).mean()) if len(defined) else float("nan")


def _over_levels(values: NDArray[np.float64]) -> list[Line]:
    """The share of hits at each level, a curve for each delta."""
    shares = values.mean(0).reshape(-1, LEVELS)
    names = [f"IoU {delta}" for delta in _DELTAS] if len(shares) > 1 else [""]
    return [(name, np.arange(LEVELS) / LEVELS, share) for name, share in zip(names, shares, strict=True)]


@metric(curve=True, summary=_best_level, lines=_over_levels, axis="threshold")
def max_box_acc(attribution: Maps, boxes: Sequence[Tensor], *, delta: float = 0.5) -> Tensor:
    """(n, 255): 1 where the box of the largest contour above a level meets a true one; NaN without true boxes."""
    a_share(delta=delta)

    def hits(levels: NDArray[np.uint8], true: Boxes) -> _Hits:
        return largest_contours(levels, lambda found: inclusive_overlap(found, true).max(1) >= delta)

    return _rows(attribution, boxes, hits, LEVELS)


@metric(curve=True, summary=_best_level, lines=_over_levels, axis="threshold")
def max_box_acc_v2(attribution: Maps, boxes: Sequence[Tensor]) -> Tensor:
    """(n, 3 * 255): 1 where any contour's box above a level meets a true one by 30, 50 and 70 %; NaN without boxes."""

    def hits(levels: NDArray[np.uint8], true: Boxes) -> _Hits:
        found, level = any_contour(levels)
        best = inclusive_overlap(found, true).max(1)
        met = np.zeros((len(_DELTAS), LEVELS), bool)
        for row, delta in zip(met, _DELTAS, strict=True):
            row[level[best >= delta]] = True
        return met.ravel()

    return _rows(attribution, boxes, hits, len(_DELTAS) * LEVELS)


def inclusive_overlap(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """(k, m): intersection over union where widths count + 1, as for boxes x0 y0 x1 y1 that hold their last pixel."""
    one = np.array([0, 0, 1, 1])
    return overlap(boxes + one, others + one)


def _rows(
    maps: Maps, boxes: Sequence[Tensor], hits: Callable[[NDArray[np.uint8], Boxes], _Hits], length: int
) -> Tensor:
    levels = (unit_range(maps, 1) * 255).to(torch.uint8).cpu().numpy()
    rows = np.full((len(levels), length), np.nan, np.float32)
    for row, image, true in zip(rows, levels, boxes, strict=True):
        if len(true):
            row[:] = hits(image, np.trunc(true.cpu().numpy()))
    return torch.from_numpy(rows)
