"""The classification errors of ILSVRC.  Olga Russakovsky, Jia Deng, Hao Su and others: ImageNet Large Scale Visual
Recognition Challenge, IJCV 2015, arXiv:1409.0575.

    error = 1[ the true class is not among the model's first k ],   k = 1 or 5

Of the model alone, whatever its maps show: beside a localisation error, what of it is the classifier's.
"""

import torch
from torch import Tensor

from ..words.metric import metric


@metric(better="lower")
def top1_classification_error(labels: Tensor, ranking: Tensor) -> Tensor:
    """(n,): NaN where the true class is not known."""
    return _errors(labels, ranking, 1)


@metric(better="lower")
def top5_classification_error(labels: Tensor, ranking: Tensor) -> Tensor:
    """(n,): NaN where the true class is not known."""
    return _errors(labels, ranking, 5)


def _errors(labels: Tensor, ranking: Tensor, count: int) -> Tensor:
    wrong = (ranking[:, :count] != labels.to(ranking)[:, None]).all(1)
    return torch.where(labels.to(ranking.device) < 0, float("nan"), wrong.double())
