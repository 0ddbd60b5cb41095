"""The localisation errors of ILSVRC.  Olga Russakovsky, Jia Deng, Hao Su and others: ImageNet Large Scale Visual
Recognition Challenge, IJCV 2015, arXiv:1409.0575.  From maps to boxes: CAM, Learning Deep Features for Discriminative
Localization, Bolei Zhou and others, CVPR 2016, arXiv:1512.04150.

    d_j = 1[ class of guess j is wrong ]
    f_j = min over the true boxes of  1[ IoU(box of guess j, true box) < 0.5 ]
    error = min_j max(d_j, f_j)            over up to five guesses (top-5), the first (top-1)
    GT-known: the class is given, and only f counts

The challenge's boxes hold their last pixel and its widths count + 1, which is the overlap of half-open boxes.
A guess of a wrong class is an error wherever its box is.  So one map per photo, the true class's, is enough as long as
each class has one box: explain the label.  For several boxes a class use `localisation_error` itself.
Photos without a true box (the challenge's blacklist) have no localisation error.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..measuring import metric
from ..notation import Maps
from ..regions import overlap, regions
from ..registry import a_share
from .truth import Box, Truth

Guess = tuple[int, Box | None]
"""A class and a box, half-open; None where nothing was found."""


def localisation_error(guesses: Iterable[Guess], truth: Truth) -> float:
    """0 if one of the guesses has the right class and half of a true box, else 1; NaN where the truth is not known."""
    if truth.label is None or not truth.boxes:
        return float("nan")
    true = np.array(truth.boxes)
    tried = (box for label, box in guesses if label == truth.label and box is not None)
    return float(not any(overlap(np.array([box]), true).max() >= 0.5 for box in tried))


@metric(better="lower")
def top1_localisation_error(
    heat: Maps, boxes: Sequence[Tensor], labels: Tensor, ranking: Tensor, *, threshold: float = 0.2
) -> Tensor:
    """(n,): with the model's first class.  threshold: share of the maximum above which the largest region is boxed."""
    return _errors(heat, boxes, labels, ranking[:, :1], threshold)


@metric(better="lower")
def top5_localisation_error(
    heat: Maps, boxes: Sequence[Tensor], labels: Tensor, ranking: Tensor, *, threshold: float = 0.2
) -> Tensor:
    """(n,): with the model's first five classes; the maps are the true classes'."""
    return _errors(heat, boxes, labels, ranking[:, :5], threshold)


@metric(better="lower")
def gt_known_localisation_error(heat: Maps, boxes: Sequence[Tensor], *, threshold: float = 0.2) -> Tensor:
    """(n,): the class is given; the maps are the true classes'."""
    given = torch.zeros(len(heat), dtype=torch.long)
    return _errors(heat, boxes, given, given[:, None], threshold)


def _errors(heat: Maps, boxes: Sequence[Tensor], labels: Tensor, guessed: Tensor, threshold: float) -> Tensor:
    a_share(threshold=threshold)
    found = []
    for values, true, label, classes in zip(heat.cpu().numpy(), boxes, labels.tolist(), guessed.tolist(), strict=True):
        parts = regions(values > threshold * values.max())
        box: Box | None = tuple(parts.boxes[parts.largest].tolist()) if len(parts) else None
        truth = Truth(None if label < 0 else label, tuple(map(tuple, true.tolist())))
        found.append(localisation_error([(guess, box) for guess in classes], truth))
    return torch.tensor(found)
