"""A class, turned into what tells it from those that are like it."""

from collections.abc import Sequence
from typing import Any

from ..words.trees import Tree
from .classes import Contrast, Logit, Probability
from .made_of_targets import settle_each
from .outputs import Target, class_logits


def contrasted(outputs: Tree, targets: Sequence[Target]) -> list[Target]:
    """Settled targets, one per image, each that names one of several classes turned into its `Contrast`."""
    found: list[Any] = [Contrast(t.index) if isinstance(t, Logit | Probability) else t for t in targets]
    if not any(isinstance(t, Logit | Probability) for t in targets) or class_logits(outputs).shape[1] < 2:
        return list(targets)
    return settle_each(found, outputs)
