"""Targets for networks that answer place by place: a class over a region of a segmentation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..words.errors import BadValue, NotInPhoto
from ..words.trees import Tree
from .classes import Names, _OneClass
from .meaning import Answer
from .outputs import column, each_its_own, logits_of, one_by_one


@dataclass(frozen=True, repr=False)
class Mask:
    """Places that are in or out, as a value: it compares, travels and prints in a few words."""

    size: tuple[int, ...]
    bits: bytes

    @classmethod
    def of(cls, where: Any) -> Self:
        """From an array or tensor (h, w), or (t, h, w): what is not zero is in."""
        array = where.detach().cpu().numpy() if isinstance(where, Tensor) else np.asarray(where)
        if array.ndim < 1 or not array.any():
            raise BadValue(f"a mask of shape {array.shape} with nothing in it", "(h, w) with at least one place in it")
        return cls(array.shape, np.packbits(array != 0).tobytes())

    @property
    def array(self) -> NDArray[np.uint8]:
        """Ones and zeros."""
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=prod(self.size)).reshape(self.size)

    def __repr__(self) -> str:
        count = sum(byte.bit_count() for byte in self.bits)
        return f"Mask({' x '.join(map(str, self.size))}, {count} in)"


def _masks(masks: Sequence[Mask], size: tuple[int, ...], like: Tensor) -> Tensor:
    """Ones and zeros (n, *size), beside `like`; the nearest place where the masks are of another size."""
    found = torch.from_numpy(np.stack([mask.array for mask in masks]))[:, None].to(like)
    return (found if masks[0].size == size else F.interpolate(found, size, mode="nearest-exact"))[:, 0]


@dataclass(frozen=True)
class Region(_OneClass):
    """The mean (or sum) of a class's score over a region: a mask, or where the class is the strongest.

    index None: the class that covers the rank-th largest area, 0 the largest, `background` not counted.  Where the
    class is the strongest is decided once, on the unchanged image; a class that is decided by itself (one channel,
    labels) is where its score is above 0, that is, its probability above 1/2.
    """

    mask: Any = None
    """An array, tensor or `Mask` of (h, w); of another size than the outputs it is resized."""
    reduce: Literal["mean", "sum"] = "mean"
    score: Literal["logit", "probability"] = "logit"
    background: int | None = None
    SETTINGS: ClassVar[tuple[str, ...]] = ("reduce", "score")
    placed: ClassVar[bool] = True
    """It stands still while an average moves the picture."""

    def __post_init__(self) -> None:
        if self.mask is not None and not isinstance(self.mask, Mask):
            object.__setattr__(self, "mask", Mask.of(self.mask))

    def of_each(self, outputs: Tree, row: Sequence[Self]) -> Tensor:
        places = Places.of(outputs)
        if any(target.mask is None for target in row):
            raise BadValue("a region whose places are not settled", "target.settle(outputs) first, or mask=…")
        scores = places.probabilities if self.score == "probability" else places.logits
        plane = column(scores, [target._class for target in row])
        mask = _masks([target.mask for target in row], tuple(plane.shape[1:]), plane)
        total = (plane * mask).flatten(1).sum(1)
        return total / mask.flatten(1).sum(1) if self.reduce == "mean" else total

    def _but_for_its_class(self) -> Self:
        """Nor for its places, as long as they are of one size."""
        return replace(super()._but_for_its_class(), mask=None if self.mask is None else Mask(self.mask.size, b""))

    @classmethod
    def settle_each(cls, row: Sequence[Self], outputs: Tree) -> list[Self]:
        settled = all(target.index is not None and target.mask is not None for target in row)
        return list(row) if settled else one_by_one(row, outputs)

    def settle(self, outputs: Tree) -> Self:
        if self.index is not None and self.mask is not None:
            return self
        places = Places.of(outputs)
        counts = places.here.flatten(1).sum(1)
        index = self.index if self.index is not None else self._largest(counts, places.background)
        column(places.logits, index)  # says so where there is no such class
        if self.mask is None and not counts[index]:
            there = ", ".join(str(int(c)) for c in counts.argsort(descending=True, stable=True)[:5] if counts[c])
            where = "above 0" if places.independent else "the strongest"
            raise NotInPhoto(
                f"class {index} is nowhere {where} in this image" if there else _NOTHING,
                f"one that is (by area: {there})" if there else "an image with something in it",
                "or a mask",
            )
        return replace(self, index=index, mask=self.mask if self.mask is not None else places.here[index])

    def as_probability(self) -> Self:
        return replace(self, score="probability")

    def text(self, names: Names) -> str:
        return f"region of {names(self._class)}"

    def _largest(self, counts: Tensor, background: int | None) -> int:
        areas, beside = counts.clone(), self.background if self.background is not None else background
        if beside is not None and ((areas > 0).sum() > 1 or background is not None):
            areas[beside] = 0
        there = int((areas > 0).sum())
        if not there:
            raise NotInPhoto(_NOTHING, "an image with something in it", "name a class and a mask")
        if not 0 <= self.rank < there:
            raise NotInPhoto(f"no region #{self.rank + 1} in this image", f"#1 to #{there}")
        return int(areas.argsort(descending=True, stable=True)[self.rank])


_NOTHING = "the network finds nothing in this image: its score is above 0 nowhere"


@dataclass(frozen=True)
class Places:
    """What a network says place by place."""

    logits: Tensor
    """(n, classes, *space)."""
    independent: bool
    """Whether every class is decided by itself, by a score above 0, and not by which is the strongest."""
    background: int | None = None
    """The class of the places where one number says no."""

    @classmethod
    def of(cls, outputs: Tree) -> Self:
        """Of outputs (n, classes, *space); of one channel, the places of what it finds."""
        logits = logits_of(outputs)
        if logits.ndim < 3:
            raise BadValue(
                f"a region of outputs of shape {tuple(logits.shape)}",
                "a network that answers place by place",
                "name a class",
            )
        if logits.shape[1] == 1 and isinstance(outputs, Answer) and outputs.meaning.pair:
            return cls(torch.cat([-logits, logits], 1), False, 0)
        return cls(logits, logits.shape[1] == 1 or each_its_own(outputs))

    @property
    def probabilities(self) -> Tensor:
        if self.background is not None:
            return self.logits.sigmoid()
        return self.logits.sigmoid() if self.independent else self.logits.softmax(1)

    @property
    def here(self) -> Tensor:
        """(classes, *space) of the first image: where each class is."""
        scores = self.logits[0].detach()
        if self.independent:
            return scores > 0
        classes = torch.arange(len(scores), device=scores.device).reshape(-1, *[1] * (scores.ndim - 1))
        return scores.argmax(0) == classes
