"""The centre: a Gaussian in the middle of the photo, which has looked at nothing.  Junsuk Choe and others, Evaluating
Weakly Supervised Object Localization Methods Right, CVPR 2020, arXiv:2001.07437, measure it beside every method.

    L(i,j) = exp( - ((i - h/2)^2 / (sigma h)^2 + (j - w/2)^2 / (sigma w)^2) / 2 )

Photographers centre things, so it points at many of them.  Its peak is the middle, and what is above a threshold is
boxed by a centred rectangle of the input's proportions: in one map the centre point and centred boxes of every size.
"""

import torch
from torch import Tensor

from ..words.notation import Maps
from ..words.signature import method


@method
def centre(images: Tensor, *, sigma: float = 0.25) -> Maps:
    size = images.shape[2:]
    away = torch.zeros(size).to(images)
    for axis, side in enumerate(size):
        at = (2 * torch.arange(side).to(images) + 1 - side) / side  # from -1 to 1, the same on both sides
        away = away + (at / (2 * sigma)).square().reshape(-1, *[1] * (len(size) - 1 - axis))
    return (-away / 2).exp().repeat(len(images), *[1] * len(size))
