"""Targets that speak of classes: frozen values that print, compare and travel.

A class may be left open (`index=None`: the model's `rank`-th prediction).  `settle` fixes it on what the model says of
the unchanged image, so that no perturbed or flipped copy can choose another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.errors import BadValue
from ..words.trees import Tree
from .outputs import Reads, class_logits, class_probabilities, column, log_probabilities

Names = Callable[[int], str]


@runtime_checkable
class ClassTarget(Protocol):
    """A target that names a class."""

    @property
    def index(self) -> int | None: ...

    def __call__(self, outputs: Tree) -> Tensor: ...

    def settle(self, outputs: Tree) -> "ClassTarget": ...

    def text(self, names: Names) -> str: ...


@dataclass(frozen=True)
class _OneClass(Reads):
    index: int | None = None
    rank: int = 0

    def alike(self, other: Any) -> bool:
        return type(self) is type(other) and self._but_for_its_class() == other._but_for_its_class()

    def _but_for_its_class(self) -> Self:
        return replace(self, index=None, rank=0)

    def settle(self, outputs: Tree) -> Self:
        """The same target with its class fixed, for the outputs of one image."""
        return self.settle_each([self], outputs)[0]

    @classmethod
    def settle_each(cls, row: Sequence[Self], outputs: Tree) -> list[Self]:
        if all(target.index is not None for target in row):
            return list(row)
        classes = _ranked(outputs, [target.rank if target.index is None else 0 for target in row])
        return [t if t.index is not None else replace(t, index=c) for t, c in zip(row, classes, strict=True)]

    def text(self, names: Names) -> str:
        return names(self._class)

    def __str__(self) -> str:
        return f"prediction #{self.rank + 1}" if self.index is None else self.text("class {}".format)

    @property
    def _class(self) -> int:
        if self.index is None:
            raise BadValue("a target whose class is not settled", "target.settle(outputs) first")
        return self.index


@dataclass(frozen=True)
class Logit(_OneClass):
    """y_c, the score before the softmax.  index None: the rank-th prediction, 0 the strongest."""

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        return column(class_logits(outputs), [target._class for target in row])


@dataclass(frozen=True)
class Probability(_OneClass):
    """p_c, after the softmax, whose gradient contrasts the class with all others (sigmoid: one logit, or labels)."""

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        return column(class_probabilities(outputs), [target._class for target in row])

    def text(self, names: Names) -> str:
        return f"probability of {names(self._class)}"


@dataclass(frozen=True)
class Rest(_OneClass):
    """y_c + log p_c, the score ShapleyCAM is meant for (ReST; arXiv:2501.06261)."""

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        classes = [target._class for target in row]
        return column(class_logits(outputs), classes) + column(log_probabilities(outputs), classes)

    def text(self, names: Names) -> str:
        return f"{names(self._class)} (ReST)"


@dataclass(frozen=True)
class Contrast(_OneClass):
    """What speaks for a class and not for similar ones (Finer-CAM, arXiv:2501.11309).

    form "mean" (paper): y_c - gamma mean_d y_d, gamma 0.6; form "softmax" (released code): sum_d p_d (y_c - gamma y_d)
    / sum_d p_d, gamma 1.  The references d are the `count` classes with logits closest to y_c, unless `against` names
    them.  `detach=False` lets the gradient flow through the weights p_d as the released code does.
    """

    against: tuple[int, ...] | None = None
    gamma: float | None = None
    form: Literal["mean", "softmax"] = "mean"
    count: int = 3
    detach: bool = True
    SETTINGS: ClassVar[tuple[str, ...]] = ("gamma", "form", "count", "detach", "against")

    def __post_init__(self) -> None:
        at_least(1, count=self.count)

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        logits = class_logits(outputs)
        y_c = column(logits, [target._class for target in row])
        beside = list(zip(*(target._references for target in row), strict=True))
        references = [column(logits, d) for d in beside]
        gamma = self.gamma if self.gamma is not None else {"mean": 0.6, "softmax": 1.0}[self.form]
        if self.form == "mean":
            return y_c - gamma * sum(references) / len(references)
        log_p = log_probabilities(outputs)
        weights = torch.stack([column(log_p, d) for d in beside], 1).softmax(1)  # p_d / sum p
        differences = y_c[:, None] - gamma * torch.stack(references, 1)
        return ((weights.detach() if self.detach else weights) * differences).sum(1)

    def _but_for_its_class(self) -> Self:
        """Nor for the classes it is contrasted with, as long as they are as many."""
        return replace(super()._but_for_its_class(), against=None if self.against is None else (0,) * len(self.against))

    @classmethod
    def settle_each(cls, row: Sequence[Self], outputs: Tree) -> list[Self]:
        own = super().settle_each(row, outputs)
        if all(target.against is not None for target in own):
            return own
        nearest = _closest(outputs, [target._class for target in own], max(target.count for target in own))
        return [
            t if t.against is not None else replace(t, against=tuple(near[: t.count]))
            for t, near in zip(own, nearest, strict=True)
        ]

    def text(self, names: Names) -> str:
        return f"{names(self._class)} against {', '.join(names(d) for d in self._references)}"

    @property
    def _references(self) -> tuple[int, ...]:
        if not self.against:
            raise BadValue("a contrast without classes to contrast with", "against=(…) or at least two classes")
        return self.against


def _ranked(outputs: Tree, ranks: Sequence[int]) -> list[int]:
    """The class that is each image's prediction number ranks[i], 0 the strongest."""
    logits = class_logits(outputs).detach()
    for rank in ranks:
        if not 0 <= rank < logits.shape[1]:
            raise BadValue(f"the model has no prediction #{rank + 1}", f"#1 to #{logits.shape[1]}")
    if not any(ranks):
        return logits.argmax(1).tolist()  # the first of equal ones, as in the order below
    order = logits.argsort(dim=1, descending=True, stable=True)
    at = torch.tensor(ranks, device=order.device)
    return order.gather(1, at[:, None])[:, 0].tolist()


def _closest(outputs: Tree, classes: Sequence[int], count: int) -> list[list[int]]:
    """The other classes whose logits are nearest to that of each image's class, the nearest first."""
    logits = class_logits(outputs).detach()
    own = torch.tensor(classes, device=logits.device)[:, None]
    distance = (logits - logits.gather(1, own)).abs().scatter(1, own, -1)
    return distance.argsort(dim=1, stable=True)[:, 1 : 1 + count].tolist()
