"""Targets made of other targets: against one, several as one; and how open choices are fixed, images at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..words.trees import Tree, rows, taken
from .classes import ClassTarget, Names
from .outputs import Reads, Target, given_to, score_each


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

    def alike(self, other: Any) -> bool:
        return isinstance(other, Negative)

    def of_each(self, outputs: Tree, row: Sequence["Negative"]) -> Tensor:
        return -score_each(outputs, [target.of for target in row])

    def settle(self, outputs: Tree) -> "Negative":
        return Negative(self.of.settle(given_to(self.of, outputs)))

    @classmethod
    def settle_each(cls, row: Sequence["Negative"], outputs: Tree) -> list["Negative"]:
        return [Negative(of) for of in settle_each([target.of for target in row], outputs)]

    def text(self, names: Names) -> str:
        return f"against {self.of.text(names)}"


@dataclass(frozen=True)
class Opposite(Reads):
    """-y of any settled target: what a map is compared with to tell what speaks against."""

    of: Target

    def __call__(self, outputs: Tree) -> Tensor:
        return -self.of(given_to(self.of, outputs))

    def alike(self, other: Any) -> bool:
        return isinstance(other, Opposite)

    def of_each(self, outputs: Tree, row: Sequence["Opposite"]) -> Tensor:
        return -score_each(outputs, [target.of for target in row])

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

    def alike(self, other: Any) -> bool:
        return isinstance(other, Sum) and len(self.of) == len(other.of)

    def of_each(self, outputs: Tree, row: Sequence["Sum"]) -> Tensor:
        first, *others = (score_each(outputs, part) for part in zip(*(target.of for target in row), strict=True))
        return sum(others, first)

    def settle(self, outputs: Tree) -> "Sum":
        return Sum(tuple(target.settle(given_to(target, outputs)) for target in self.of))

    @classmethod
    def settle_each(cls, row: Sequence["Sum"], outputs: Tree) -> list["Sum"]:
        if len({len(target.of) for target in row}) > 1:
            return super().settle_each(row, outputs)
        parts = [settle_each(part, outputs) for part in zip(*(target.of for target in row), strict=True)]
        return [Sum(of) for of in zip(*parts, strict=True)]

    def text(self, names: Names) -> str:
        return " + ".join(target.text(names) for target in self.of)


def settle(target: Target, outputs: Tree) -> Target:
    """The target with every open choice fixed, for the outputs of one image."""
    return target.settle(given_to(target, outputs)) if isinstance(target, ClassTarget) else target


def settle_each(row: Sequence[Any], outputs: Tree) -> list[Any]:
    """Targets with every open choice fixed, row[i] for image i; those of one kind at once."""
    images, found = len(row), list(row)
    for kind in dict.fromkeys(type(target) for target in row):
        at = [i for i, target in enumerate(row) if type(target) is kind]
        if issubclass(kind, Reads):
            if not hasattr(kind, "settle"):
                continue
            theirs = outputs if len(at) == images else taken(outputs, images, at)
            for i, settled in zip(at, kind.settle_each([row[i] for i in at], theirs), strict=True):
                found[i] = settled
        else:
            for i in at:
                found[i] = settle(row[i], rows(outputs, images, i, 1)) if isinstance(row[i], ClassTarget) else row[i]
    return found
