"""The energy-based pointing game.  Haofan Wang, Zifan Wang, Mengnan Du, Fan Yang, Zijian Zhang, Sirui Ding, Piotr
Mardziel, Xia Hu: Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPR Workshops 2020,
arXiv:1910.01279.

    sum_{(i,j) in box}  L(i,j)  /  sum  L(i,j)

Of several boxes every pixel counts once.  A blank map has nothing in the box.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps, ratio
from .shared.objects import filled


@metric()
def energy_in_box(heat: Maps, boxes: Sequence[Tensor]) -> Tensor:
    """(n,): the share of the heat whose pixels' centres lie in a box; NaN where no box is known."""
    size = (heat.shape[-2], heat.shape[-1])
    inside = filled(boxes, size, heat.device)
    share = ratio((heat * inside).flatten(1).sum(1), heat.flatten(1).sum(1))
    known = torch.tensor([len(own) > 0 for own in boxes], device=heat.device)
    return torch.where(known, share, float("nan"))
