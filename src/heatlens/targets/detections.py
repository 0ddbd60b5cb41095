"""The target for detectors: one detection, found again in what the model says of other pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, stack

from ..words.bounds import at_least
from ..words.errors import BadValue, NotInPhoto
from ..words.notation import ratio
from ..words.trees import Tree
from .classes import Names, _OneClass
from .meaning import raw_of
from .outputs import one_by_one

_SIDES = ("left", "top", "right", "bottom")
Found = Mapping[str, Tensor]
"""What a detector says of one image: boxes (k, 4) as x0 y0 x1 y1, labels (k,), scores (k,)."""


@dataclass(frozen=True)
class Box(_OneClass):
    """One detection: its score, or where one side of its box lies.

    index None: of any class; `rank`: the rank-th strongest of these, 0 the strongest.  Settled on the unchanged image,
    it has a class and a box.  In other pictures it is the detection of that class whose box overlaps it most (IoU),
    and 0 where none overlaps it by `overlap`: it vanished.
    """

    box: tuple[float, float, float, float] | None = None
    """x0 y0 x1 y1 in pixels of the model's input; given unsettled, the detection that overlaps it most is meant."""
    of: Literal["score", "left", "top", "right", "bottom"] = "score"
    overlap: float = 0.5
    SETTINGS: ClassVar[tuple[str, ...]] = ("of", "overlap")
    placed: ClassVar[bool] = True
    """It stands still while an average moves the picture."""

    def __post_init__(self) -> None:
        at_least(0, overlap=self.overlap)

    def __call__(self, outputs: Tree) -> Tensor:
        return self.of_each(outputs, [self] * len(detections(outputs)))

    def alike(self, other: Any) -> bool:
        return isinstance(other, Box)

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        return stack([target._in(found) for target, found in zip(row, detections(outputs), strict=True)])

    @classmethod
    def settle_each(cls, row: Sequence[Self], outputs: Tree) -> list[Self]:
        return one_by_one(row, outputs)

    def settle(self, outputs: Tree) -> Self:
        if self.index is not None and self.box is not None:
            return self
        found = detections(outputs)[0]
        meant = found["labels"] == self.index if self.index is not None else found["scores"] >= 0
        order = overlaps(found["boxes"], self.box) if self.box is not None else found["scores"]
        rows = [int(row) for row in order.detach().argsort(descending=True, stable=True) if meant[row]]
        if not 0 <= self.rank < len(rows):
            raise NotInPhoto(
                f"no detection #{self.rank + 1}{'' if self.index is None else f' of class {self.index}'} in this image",
                _seen(found, rows),
                "lower the detector's score threshold, or choose another class",
            )
        row = rows[self.rank]
        x0, y0, x1, y1 = map(float, found["boxes"][row].detach())
        return replace(self, index=int(found["labels"][row]), box=(x0, y0, x1, y1))

    def as_probability(self) -> Self:
        """A detection's score is one."""
        return self

    def text(self, names: Names) -> str:
        return f"{'' if self.of == 'score' else self.of + ' of '}box of {names(self._class)}"

    def _in(self, found: Found) -> Tensor:
        if self.box is None:
            raise BadValue("a detection that is not settled", "target.settle(outputs) first")
        same = found["labels"] == self._class
        shares = overlaps(found["boxes"][same], self.box).detach()
        if not len(shares) or float(shares.max()) < self.overlap:
            return found["scores"].sum() * 0
        best = shares.argmax()
        if self.of == "score":
            return found["scores"][same][best]
        return found["boxes"][same][best, _SIDES.index(self.of)]


def detections(outputs: Tree) -> list[Found]:
    """What a detector says of each image."""
    if not are_detections(outputs):
        raise BadValue(
            f"a detection in outputs of type {type(outputs).__name__}",
            "a list with one dict of boxes, labels and scores per image",
            "name a class, or pass a function of the outputs",
        )
    found: list[Found] = raw_of(outputs)
    return found


def are_detections(outputs: Any) -> bool:
    """Whether these are a detector's outputs."""
    keys, raw = {"boxes", "labels", "scores"}, raw_of(outputs)
    return isinstance(raw, list) and all(isinstance(one, Mapping) and keys <= one.keys() for one in raw)


def overlaps(boxes: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The intersection over union (k,) of boxes (k, 4) with one box; 1 for the box itself, were it without an area."""
    other = boxes.new_tensor(box)
    corners = boxes[:, :2].maximum(other[:2]), boxes[:, 2:].minimum(other[2:])
    shared = (corners[1] - corners[0]).clamp(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (other[2:] - other[:2]).prod()
    return ratio(shared, areas - shared).masked_fill((boxes == other).all(1), 1)


def _seen(found: Found, rows: list[int]) -> str:
    if rows:
        return f"#1 to #{len(rows)}"
    classes = dict.fromkeys(int(label) for label in found["labels"])
    return f"one of the classes {', '.join(map(str, list(classes)[:8]))}" if classes else "a photo with a detection"
