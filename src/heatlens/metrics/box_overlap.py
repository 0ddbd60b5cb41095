"""How well the box of a map covers the true one, as numbers and not as hits: LayerCAM's evaluation (Peng-Tao Jiang,
Chang-Bin Zhang, Qibin Hou, Ming-Ming Cheng, Yunchao Wei.  IEEE TIP 30, 2021) means both over the photos.

    IoU    = max over the true boxes B of  |b and B| / |b or B|
    recall = |b and B| / |B|,   B the one of that maximum

b is the first box that is guessed; where nothing is found both are 0.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..images.regions import box_area, overlap
from ..words.metric import metric
from ..words.notation import Maps
from .shared.guessed_boxes import Located, Pick, boxed


@metric()
def box_iou(
    heat: Maps, boxes: Sequence[Tensor], located: Located, *, threshold: float = 0.2, pick: Pick = "largest"
) -> Tensor:
    """(n,): NaN where no box is true."""
    return torch.tensor([_best(*one)[0] for one in boxed(heat, boxes, located, threshold, pick)])


@metric()
def box_recall(
    heat: Maps, boxes: Sequence[Tensor], located: Located, *, threshold: float = 0.2, pick: Pick = "largest"
) -> Tensor:
    """(n,): NaN where no box is true."""
    return torch.tensor([_best(*one)[1] for one in boxed(heat, boxes, located, threshold, pick)])


def _best(guessed: NDArray[np.float64], true: NDArray[np.float64]) -> tuple[float, float]:
    """IoU and recall."""
    if not len(true):
        return float("nan"), float("nan")
    if not len(guessed):
        return 0.0, 0.0
    ious = overlap(guessed[:1], true)[0]
    at = int(ious.argmax())
    common = np.concatenate([np.maximum(guessed[0, :2], true[at, :2]), np.minimum(guessed[0, 2:], true[at, 2:])])
    return float(ious[at]), float(box_area(common) / box_area(true[at]))
