"""A data set: photos in a fixed order, and what is true of each, read when its turn comes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...metrics.truth import Box, Truth
from ...targets import Classes
from ...words.bounds import at_least
from ...words.errors import BadValue, UnknownName, unknown
from ...words.limits import limit, raised_by
from ...words.wording import readable

Label = str | int
"""A class as a data set says it: a name or wnid, or an index."""

_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Item:
    """One photo of a data set, asked about one class."""

    name: str
    """Its path inside the data set; `#` and the class follow where a photo is asked about several."""
    photo: Path
    labels: tuple[Label, ...] = ()
    """The true class, in every way the data set says it."""
    boxes: tuple[Box, ...] = ()
    """x0 y0 x1 y1 in pixels of the photo, half-open."""
    mask: Path | NDArray[np.uint8] | None = None
    """As in `Truth`."""
    reading: "Callable[[Item], Item] | None" = None
    """Reads from files what is too much to hold for every photo; a function that travels to workers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", readable(self.name))  # rows are UTF-8, names of files need not be

    def read(self) -> "Item":
        """The item with everything read; raises `HeatlensError` where the data set is damaged."""
        return replace(self.reading(self), reading=None) if self.reading else self

    def truth(self, classes: Classes, *, needs_label: bool = False) -> Truth:
        """What is true, its class by the index of a model's outputs.

        Raises `UnknownName` or `BadValue` where `needs_label` and the model does not know the class.
        """
        whole = self.read()
        label = class_index(whole.labels, classes) if needs_label else _if_known(whole.labels, classes)
        return Truth(label, whole.boxes, whole.mask)


@dataclass(frozen=True)
class Dataset:
    """Items in the order of their names."""

    name: str
    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.items)


def dataset(name: str, items: Iterable[Item]) -> Dataset:
    """A data set of these items, sorted; two of one name, or none at all, are a mistake."""
    ordered = tuple(sorted(items, key=lambda item: item.name))
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise BadValue(f"{name} lists {one.name} twice", "each photo once, or once for each of its classes")
    if not ordered:
        raise BadValue(
            f"{name} holds no photo", "at least one", "See docs/how-to/evaluate.md for the forms of data sets"
        )
    return Dataset(name, ordered)


@dataclass(frozen=True)
class Selection:
    """Which photos of a data set are taken, in sorted order."""

    match: str = ""
    """A pattern such as `val/*` that the names follow."""
    subset: tuple[str, ...] = ()
    """Names of photos; empty: all."""
    every: int = 1
    start: int = 0
    """every=2, start=1: the second, the fourth, … of them."""
    limit: int | None = None
    """At most so many."""

    def __post_init__(self) -> None:
        at_least(1, every=self.every, limit=1 if self.limit is None else self.limit)
        at_least(0, start=self.start)

    def of(self, whole: Dataset) -> Dataset:
        """The photos that are taken; a name of the subset that is not there is an error."""
        named = _named(whole, self.subset) if self.subset else whole.items
        matching = [item for item in named if not self.match or fnmatchcase(item.name, self.match)]
        taken = matching[self.start :: self.every][: self.limit]
        if not taken:
            raise BadValue(f"the selection leaves no photo of {whole.name}", "at least one", f"It has {len(whole)}")
        return Dataset(whole.name, tuple(taken))


def read_subset(path: Path) -> tuple[str, ...]:
    """The names of a file, one per line; what follows a comma is a remark.  A file without any is a BadValue."""
    try:
        lines = path.expanduser().read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise BadValue(f"the subset {str(path)!r}: {error}", "a text file with one photo per line") from None
    names = tuple(readable(name) for line in lines if (name := line.partition(",")[0].strip()))
    if not names:
        raise BadValue(f"the subset {str(path)!r} names no photo", "a text file with one photo per line")
    return names


def _named(whole: Dataset, names: Sequence[str]) -> tuple[Item, ...]:
    """The items that are called so, with or without their class."""
    wanted = set(names)
    items = tuple(item for item in whole.items if item.name in wanted or photo_name(item) in wanted)
    there = {name for item in items for name in (item.name, photo_name(item))}
    if missing := sorted(wanted - there):
        raise unknown("photo", missing[0], [item.name for item in whole.items], owner=f"the data set {whole.name}")
    return items


def photo_name(item: Item) -> str:
    """The name without the class."""
    return item.name.partition("#")[0]


def blank_mask(item: Item, size: tuple[int, int]) -> NDArray[np.uint8]:
    """0 everywhere, at the (height, width) that annotations say; more than a photo may have is an error."""
    name, pixels = "HEATLENS_MAX_PHOTO_PIXELS", size[0] * size[1]
    if pixels > (most := limit(name)):
        raise BadValue(f"{item.name} is said to have {pixels:,} pixels", f"at most {most:,}", raised_by(name))
    return np.zeros(size, np.uint8)


def by_class(name: str, photo: Path, groups: dict[Label, Item]) -> list[Item]:
    """A photo's items, one per class; the class joins the name where there are several."""
    several = len(groups) > 1
    return [replace(i, name=f"{name}#{key}" if several else name, photo=photo) for key, i in groups.items()]


def class_index(labels: Sequence[Label], classes: Classes) -> int:
    """The model's output that stands for a class.

    Names decide wherever the model's classes have names: an index of another list of classes would be believed in
    silence.  An index alone, or for a model without names, is taken as it is.
    """
    texts = [label for label in labels if isinstance(label, str) and _can_judge(label, classes)]
    for text in texts:
        if (found := _find(text, classes)) is not None:
            return found
    if texts:
        raise unknown("class", texts[0], classes.names, owner="the model")
    index = next((label for label in labels if isinstance(label, int)), None)
    if index is None:
        raise BadValue(f"the class {labels[0]!r}" if labels else "no true class", "a class that the model knows")
    if index < 0 or (len(classes) and index >= len(classes)):
        raise BadValue(f"class {index} of a model with {len(classes)} classes", f"0 to {len(classes) - 1}")
    return index


def _can_judge(text: str, classes: Classes) -> bool:
    """Whether not finding a class means that it is not there."""
    return bool(classes.wnids if _WNID.fullmatch(text) else classes.names)


def _find(text: str, classes: Classes) -> int | None:
    try:
        return classes.find(text)
    except (BadValue, UnknownName):
        return None


def _if_known(labels: Sequence[Label], classes: Classes) -> int | None:
    try:
        return class_index(labels, classes)
    except (BadValue, UnknownName):
        return None
