"""Targets for networks that answer place by place: a class over a region of a segmentation."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import BadValue, NotInPhoto
from ..trees import Tree
from .classes import Names, _OneClass
from .outputs import column, logits_of


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

    def tensor(self, size: tuple[int, ...], like: Tensor) -> Tensor:
        """Ones and zeros of a size, beside `like`; the nearest place where the sizes differ."""
        flat = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=prod(self.size))
        mask = torch.from_numpy(flat).reshape(1, 1, *self.size).to(like)
        return (mask if self.size == size else F.interpolate(mask, size, mode="nearest-exact"))[0, 0]

    def __repr__(self) -> str:
        count = sum(byte.bit_count() for byte in self.bits)
        return f"Mask({' x '.join(map(str, self.size))}, {count} in)"


@dataclass(frozen=True)
class Region(_OneClass):
    """The mean (or sum) of a class's score over a region: a mask, or where the class is the strongest.

    index None: the class that covers the rank-th largest area, 0 the largest, `background` not counted.  Where the
    class is the strongest is decided once, on the unchanged image.
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

    def __call__(self, outputs: Tree) -> Tensor:
        scores = dense_logits(outputs)
        scores = scores.softmax(1) if self.score == "probability" else scores
        if self.mask is None:
            raise BadValue("a region whose places are not settled", "target.settle(outputs) first, or mask=…")
        plane = column(scores, self._class)
        mask: Tensor = self.mask.tensor(tuple(plane.shape[1:]), plane)
        total = (plane * mask).flatten(1).sum(1)
        return total / mask.sum() if self.reduce == "mean" else total

    def settle(self, outputs: Tree) -> Self:
        if self.index is not None and self.mask is not None:
            return self
        scores = dense_logits(outputs)
        strongest = scores[0].argmax(0)
        counts = strongest.flatten().bincount(minlength=scores.shape[1])
        index = self.index if self.index is not None else self._largest(counts)
        column(scores, index)  # says so where there is no such class
        if self.mask is None and not counts[index]:
            there = ", ".join(str(int(c)) for c in counts.argsort(descending=True, stable=True)[:5] if counts[c])
            raise NotInPhoto(
                f"class {index} is nowhere the strongest in this image", f"one that is (by area: {there})", "or a mask"
            )
        return replace(self, index=index, mask=self.mask if self.mask is not None else strongest == index)

    def as_probability(self) -> Self:
        return replace(self, score="probability")

    def text(self, names: Names) -> str:
        return f"region of {names(self._class)}"

    def _largest(self, counts: Tensor) -> int:
        areas = counts.clone()
        if self.background is not None and (areas > 0).sum() > 1:
            areas[self.background] = 0
        there = int((areas > 0).sum())
        if not 0 <= self.rank < there:
            raise NotInPhoto(f"no region #{self.rank + 1} in this image", f"#1 to #{there}")
        return int(areas.argsort(descending=True, stable=True)[self.rank])


def dense_logits(outputs: Tree) -> Tensor:
    """Scores (n, classes, *space)."""
    logits = logits_of(outputs)
    if logits.ndim < 3:
        raise BadValue(
            f"a region of outputs of shape {tuple(logits.shape)}",
            "a network that answers place by place",
            "name a class",
        )
    return logits
