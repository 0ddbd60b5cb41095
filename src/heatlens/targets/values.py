"""Targets that name no class: a number that the model estimates, and the likeness of its embedding to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from ..words.errors import BadValue
from ..words.notation import ratio
from ..words.trees import Tree, main_tensor
from .classes import Names
from .meaning import raw_of
from .outputs import Reads, column, named_tensor, numbers_of

_EMBEDDINGS = ("image_embeds", "embeddings", "pooler_output")


class _Fixed(Reads):
    """Nothing about it is open."""

    def settle(self, outputs: Tree) -> Self:
        return self

    @classmethod
    def settle_each(cls, row: Sequence[Any], outputs: Tree) -> list[Any]:
        return [target.settle(outputs) for target in row]


@dataclass(frozen=True)
class Value(_Fixed):
    """A number v that the model estimates: what raises it, what lowers it, or what keeps it near another number.

    y = v (up), -v (down), or -|v - near|.  Outputs (n,), (n, numbers), or a picture of numbers, whose mean is meant.
    """

    output: int = 0
    toward: Literal["up", "down"] = "up"
    near: float | None = None
    index: int | None = None
    """Always None: it is no class."""
    SETTINGS: ClassVar[tuple[str, ...]] = ("toward", "near")

    def __call__(self, outputs: Tree) -> Tensor:
        numbers = numbers_of(outputs)
        numbers = numbers[:, None] if numbers.ndim == 1 else numbers
        value = column(numbers, self.output).flatten(1).mean(1) if numbers.ndim > 2 else column(numbers, self.output)
        if self.near is not None:
            return -(value - self.near).abs()
        return value if self.toward == "up" else -value

    def as_probability(self) -> Self:
        """There is none; methods that would score by it score by the number."""
        return self

    def text(self, names: Names) -> str:
        name = names(self.output).replace("class", "output")
        return f"{name} {self.toward}" if self.near is None else f"{name} near {self.near:g}"

    def __str__(self) -> str:
        return self.text("output {}".format)


@dataclass(frozen=True, repr=False)
class Similarity(_Fixed):
    """The cosine between the image's embedding and a reference: of another photo, or of a text."""

    reference: tuple[float, ...] = ()
    name: str = ""
    """Of what the reference is."""
    index: int | None = None
    """Always None: it is no class."""

    def __call__(self, outputs: Tree) -> Tensor:
        ours = embedding(outputs)
        theirs = ours.new_tensor(self.reference)
        if ours.shape[1] != len(theirs):
            raise BadValue(
                f"a reference of {len(theirs)} numbers for embeddings of {ours.shape[1]}", "one of the same model"
            )
        return ratio(ours @ theirs, ours.norm(dim=1) * theirs.norm())

    def settle(self, outputs: Tree) -> Self:
        if not self.reference:
            raise BadValue(
                "a model that only gives embeddings, and nothing to compare with",
                "a text or another photo",
                'target="a photo of a cat" (CLIP), target="similar:other.jpg", or classes=["a photo of a cat", …]',
            )
        return self

    def as_probability(self) -> Self:
        """There is none; methods that would score by it score by the cosine."""
        return self

    def text(self, names: Names) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.name or "similarity"

    def __repr__(self) -> str:
        return f"Similarity({self.name!r}, {len(self.reference)} numbers)"


@dataclass(frozen=True)
class Anything(_Fixed):
    """Stands where nothing is asked: the first number of an image, since the sum of what is normalised is constant."""

    index: int | None = None
    """Always None: it is no class."""

    def __call__(self, outputs: Tree) -> Tensor:
        pooled = named_tensor(outputs, "pooler_output")
        return (main_tensor(raw_of(outputs)) if pooled is None else pooled).flatten(1)[:, 0]

    def text(self, names: Names) -> str:
        return str(self)

    def __str__(self) -> str:
        return "no class"


def embedding(outputs: Tree) -> Tensor:
    """The embeddings (n, d) among a model's outputs; of a stack (n, d, *space) the mean over space."""
    found = next((t for name in _EMBEDDINGS if (t := named_tensor(outputs, name)) is not None), None)
    found = numbers_of(outputs) if found is None else found
    if found.ndim < 2 or found.ndim == 3:
        raise BadValue(f"outputs of shape {tuple(found.shape)} are no embeddings", "(n, d), or (n, d, h, w)")
    return found.flatten(2).mean(2) if found.ndim > 2 else found
