"""Mean intersection over union of a thresholded map with the object; there is no single source.

    IoU = |{L >= t} and M| / |{L >= t} or M|,        t = `threshold` of the map's maximum

M is the mask, or the filled boxes where there is none; pixels that are not judged are left out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..words.bounds import a_share
from ..words.metric import metric
from ..words.notation import Maps
from .shared.objects import objects


@metric()
def mean_iou(heat: Maps, boxes: Sequence[Tensor], masks: Tensor, *, threshold: float = 0.5) -> Tensor:
    """(n,): NaN where no object is known.  A blank map marks nothing."""
    a_share(threshold=threshold)
    truth = objects(boxes, masks)
    judged, on = truth != 255, truth == 1
    marked = (heat >= threshold) & (heat > 0) & judged
    common, either = (marked & on).flatten(1).sum(1), (marked | on).flatten(1).sum(1)
    known = on.flatten(1).any(1)
    return torch.where(known, common / either, float("nan"))
