"""A class, turned into what tells it from those that are like it."""

from collections.abc import Sequence

from ..words.trees import Tree, rows
from .classes import Contrast, Logit, Probability
from .outputs import Target, class_logits


def contrasted(outputs: Tree, targets: Sequence[Target]) -> list[Target]:
    """Settled targets, one per image, each that names one of several classes turned into its `Contrast`."""
    images = len(targets)

    def of(i: int, target: Target) -> Target:
        if not isinstance(target, Logit | Probability) or class_logits(outputs).shape[1] < 2:
            return target
        return Contrast(target.index).settle(rows(outputs, images, i, 1))

    return [of(i, target) for i, target in enumerate(targets)]
