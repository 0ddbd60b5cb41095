"""ADCC: Revisiting the Evaluation of Class Activation Mapping for Explainability: A Novel Metric and Experimental
Analysis.  Samuele Poppi, Marcella Cornia, Lorenzo Baraldi, Rita Cucchiara.  CVPR Workshops 2021, arXiv:2104.10252.

    3 / ( 1 / Coherency  +  1 / (1 - Complexity)  +  1 / (1 - AverageDrop) ),  0 where one of the three is 0

The harmonic mean for each photo, as the released code takes it.  AverageDrop is a share here, not per cent; the
released code mixes the largest confidence of X with that of a named class in X * L, this does not.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps, ratio
from .average_drop import average_drop
from .coherency import coherency
from .complexity import complexity
from .shared.replacing import Scored


@metric(better="higher")
def adcc(
    images: Tensor, heat: Maps, heat_of: Callable[[Tensor], Maps], confidence_under: Scored, score_under: Scored
) -> Tensor:
    drop = average_drop(images, heat, confidence_under, score_under) / 100
    goods = torch.stack([coherency(images, heat, heat_of), 1 - complexity(heat), 1 - drop.to(heat)])
    return (3 / ratio(torch.ones_like(goods), goods).sum(0)).masked_fill((goods <= 0).any(0), 0)
