"""Targets that speak of classes: frozen values that print, compare and travel.

A class may be left open (`index=None`: the model's `rank`-th prediction).  `settle` fixes it on what the model says of
the unchanged image, so that no perturbed or flipped copy can choose another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.errors import BadValue
from ..words.trees import Tree
from .outputs import Reads, Target, class_logits, class_probabilities, column, given_to, log_probabilities

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

    def settle(self, outputs: Tree) -> Self:
        """The same target with its class fixed, for the outputs of one image."""
        return self if self.index is not None else replace(self, index=_ranked(outputs, self.rank))

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

    def __call__(self, outputs: Tree) -> Tensor:
        return column(class_logits(outputs), self._class)


@dataclass(frozen=True)
class Probability(_OneClass):
    """p_c, after the softmax, whose gradient contrasts the class with all others (sigmoid: one logit, or labels)."""

    def __call__(self, outputs: Tree) -> Tensor:
        return column(class_probabilities(outputs), self._class)

    def text(self, names: Names) -> str:
        return f"probability of {names(self._class)}"


@dataclass(frozen=True)
class Rest(_OneClass):
    """y_c + log p_c, the score ShapleyCAM is meant for (ReST; arXiv:2501.06261)."""

    def __call__(self, outputs: Tree) -> Tensor:
        log_p = log_probabilities(outputs)
        return column(class_logits(outputs), self._class) + column(log_p, self._class)

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

    def __call__(self, outputs: Tree) -> Tensor:
        logits = class_logits(outputs)
        y_c = column(logits, self._class)
        references = [column(logits, d) for d in self._references]
        gamma = self.gamma if self.gamma is not None else {"mean": 0.6, "softmax": 1.0}[self.form]
        if self.form == "mean":
            return y_c - gamma * sum(references) / len(references)
        log_p = log_probabilities(outputs)
        weights = torch.stack([column(log_p, d) for d in self._references], 1).softmax(1)  # p_d / sum p
        differences = y_c[:, None] - gamma * torch.stack(references, 1)
        return ((weights.detach() if self.detach else weights) * differences).sum(1)

    def settle(self, outputs: Tree) -> Self:
        own = super().settle(outputs)
        return own if own.against is not None else replace(own, against=_closest(outputs, own._class, own.count))

    def text(self, names: Names) -> str:
        return f"{names(self._class)} against {', '.join(names(d) for d in self._references)}"

    @property
    def _references(self) -> tuple[int, ...]:
        if not self.against:
            raise BadValue("a contrast without classes to contrast with", "against=(…) or at least two classes")
        return self.against


@dataclass(frozen=True)
class Negative(Reads):
    """-y: the evidence against (the counterfactual map of Grad-CAM, arXiv:1610.02391, section 3.2)."""

    of: ClassTarget

    def __str__(self) -> str:
        return self.text("class {}".format)

    def __call__(self, outputs: Tree) -> Tensor:
        return -self.of(given_to(self.of, outputs))

    @property
    def index(self) -> int | None:
        return self.of.index

    def settle(self, outputs: Tree) -> "Negative":
        return Negative(self.of.settle(given_to(self.of, outputs)))

    def text(self, names: Names) -> str:
        return f"against {self.of.text(names)}"


@dataclass(frozen=True)
class Opposite(Reads):
    """-y of any settled target: what a map is compared with to tell what speaks against."""

    of: Target

    def __call__(self, outputs: Tree) -> Tensor:
        return -self.of(given_to(self.of, outputs))

    @property
    def index(self) -> int | None:
        """Of the class, where the target has one."""
        found = getattr(self.of, "index", None)
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Sum(Reads):
    """y_a + y_b + …: several classes explained as one."""

    of: tuple[ClassTarget, ...]

    def __str__(self) -> str:
        return self.text("class {}".format)

    def __call__(self, outputs: Tree) -> Tensor:
        first, *others = (target(given_to(target, outputs)) for target in self.of)
        return sum(others, first)

    @property
    def index(self) -> int | None:
        """Of its class, where it is only one."""
        return self.of[0].index if len(self.of) == 1 else None

    def settle(self, outputs: Tree) -> "Sum":
        return Sum(tuple(target.settle(given_to(target, outputs)) for target in self.of))

    def text(self, names: Names) -> str:
        return " + ".join(target.text(names) for target in self.of)


def settle(target: Target, outputs: Tree) -> Target:
    """The target with every open choice fixed, for the outputs of one image."""
    return target.settle(given_to(target, outputs)) if isinstance(target, ClassTarget) else target


def _ranked(outputs: Tree, rank: int) -> int:
    logits = class_logits(outputs)[0]
    if not 0 <= rank < len(logits):
        raise BadValue(f"the model has no prediction #{rank + 1}", f"#1 to #{len(logits)}")
    return int(logits.argsort(descending=True, stable=True)[rank])


def _closest(outputs: Tree, index: int, count: int) -> tuple[int, ...]:
    logits = class_logits(outputs)[0].detach()
    distance = (logits - logits[index]).abs()
    order = [int(i) for i in distance.argsort(stable=True) if int(i) != index]
    return tuple(order[:count])
