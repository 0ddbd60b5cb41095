"""The localisation errors of ILSVRC.  Olga Russakovsky, Jia Deng, Hao Su and others: ImageNet Large Scale Visual
Recognition Challenge, IJCV 2015, arXiv:1409.0575.  From maps to boxes: CAM, Learning Deep Features for Discriminative
Localization, Bolei Zhou and others, CVPR 2016, arXiv:1512.04150.

    d_j = 1[ class of guess j is wrong ]
    f_j = min over the true boxes of  1[ IoU(box of guess j, true box) < 0.5 ]
    error = min_j max(d_j, f_j)            over up to five guesses (top-5), the first (top-1)
    GT-known: the class is given, and only f counts

The challenge's boxes hold their last pixel and its widths count + 1, which is the overlap of half-open boxes.
A guess of a wrong class is an error wherever its box is.  So one map per photo, the true class's, is enough, also where
a class has two boxes: explain the label.
Photos without a true box (the challenge's blacklist) have no localisation error.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..images.regions import overlap
from ..words.metric import metric
from ..words.notation import Maps
from .shared.guessed_boxes import Boxed, Guess, Located, Pick, boxed, guesses_of, two_boxes
from .truth import Box, Truth


def localisation_error(guesses: Iterable[tuple[int, Box | None]], truth: Truth) -> float:
    """0 if a guess has the right class and half of a true box, else 1; NaN where the truth is not known.

    guesses: classes with boxes, half-open; None where nothing was found.
    """
    if truth.label is None or not truth.boxes:
        return float("nan")
    tried = [box for label, box in guesses if label == truth.label and box is not None]
    return float(not _hit(np.array(tried, float).reshape(-1, 4), np.array(truth.boxes)))


@metric(better="lower")
def top1_localisation_error(
    heat: Maps,
    boxes: Sequence[Tensor],
    labels: Tensor,
    ranking: Tensor,
    located: Located,
    *,
    threshold: float = 0.2,
    pick: Pick = "largest",
    guess: Guess = "loose",
) -> Tensor:
    """(n,): with the model's first class.  threshold: share of the maximum above which a map counts."""
    two_boxes(pick, guess)
    return _errors(boxed(heat, boxes, located, threshold, pick), labels, ranking, guess, 1)


@metric(better="lower")
def top5_localisation_error(
    heat: Maps,
    boxes: Sequence[Tensor],
    labels: Tensor,
    ranking: Tensor,
    located: Located,
    *,
    threshold: float = 0.2,
    pick: Pick = "largest",
    guess: Guess = "loose",
) -> Tensor:
    """(n,): with five guesses, the model's first five classes, or the first three with guess="both"."""
    two_boxes(pick, guess)
    return _errors(boxed(heat, boxes, located, threshold, pick), labels, ranking, guess, 5)


@metric(better="lower")
def gt_known_localisation_error(
    heat: Maps,
    boxes: Sequence[Tensor],
    located: Located,
    *,
    threshold: float = 0.2,
    pick: Pick = "largest",
    guess: Guess = "loose",
) -> Tensor:
    """(n,): the class is given; the maps are the true classes'."""
    two_boxes(pick, guess)
    given = torch.zeros(len(heat), dtype=torch.long)
    return _errors(
        boxed(heat, boxes, located, threshold, pick), given, given[:, None], guess, 2 if guess == "both" else 1
    )


def _errors(found: Boxed, labels: Tensor, ranking: Tensor, guess: Guess, count: int) -> Tensor:
    errors = []
    for (guessed, true), label, classes in zip(found, labels.tolist(), ranking.tolist(), strict=True):
        if label < 0 or not len(true):
            errors.append(float("nan"))
            continue
        rank = classes.index(label) if label in classes else len(classes)
        errors.append(float(not _hit(guesses_of(guessed, rank, guess, count), true)))
    return torch.tensor(errors)


def _hit(guessed: NDArray[np.float64], true: NDArray[np.float64]) -> bool:
    return bool(len(guessed)) and bool(overlap(guessed, true).max() >= 0.5)
