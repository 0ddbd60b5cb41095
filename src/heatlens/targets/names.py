"""Class names: what a model's outputs are called, and how a person may call them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..words.errors import BadValue, unknown
from ..words.wording import spelling


@dataclass(frozen=True)
class Classes:
    """Names by index, with synonyms and WordNet ids where they are known."""

    names: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()
    wnids: tuple[tuple[str, ...], ...] = ()
    partial: bool = False
    """Whether there may be more classes, which have no names."""

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """The name of a class; `class 7` where nobody gave names."""
        return self.names[index] if index < len(self.names) else f"class {index}"

    def find(self, text: str) -> int:
        """The index of a class by name, synonym or wnid, however it is spelt; `UnknownName` with close names."""
        if not self.names:
            raise BadValue(
                f"class {text!r}, but the model's classes have no names", "an index", "or give the names: classes=[…]"
            )
        if text in self.names:
            return self.names.index(text)
        found = self._index.get(spelling(text))
        if found is None:
            raise unknown("class", text, list(self._spoken), "heatlens classes MODEL")
        return found

    @cached_property
    def _spoken(self) -> list[str]:
        return [*self.names, *(s for group in (*self.synonyms, *self.wnids) for s in group)]

    @cached_property
    def _index(self) -> dict[str, int]:
        """A name wins over a synonym, a lower index over a higher one."""
        index: dict[str, int] = {}
        for table in ([(name,) for name in self.names], self.synonyms, self.wnids):
            for i, group in enumerate(table):
                for text in filter(spelling, group):
                    index.setdefault(spelling(text), i)
        return index


def named_classes(given: "Classes | Sequence[str] | Mapping[int, str]") -> Classes:
    """As `classes_of`, of names that a person gives: an empty list of them is a BadValue."""
    found = classes_of(given)
    if not len(found) and not isinstance(given, Classes):
        raise BadValue("an empty list of class names", "a name for each output of the model")
    return found


def classes_of(given: "Classes | Sequence[str] | Mapping[int, str] | None") -> Classes:
    """Classes from names by index: a list, one per output, or a dict such as transformers' `id2label`."""
    if given is None or isinstance(given, Classes):
        return given or Classes()
    if isinstance(given, str):
        raise BadValue(f"classes={given!r}", "a list of names, one per output of the model")
    if isinstance(given, Mapping):
        named = [given.get(i, f"class {i}") for i in range(max(given, default=-1) + 1)]
        return Classes(tuple(map(str, named)), partial=True)
    return Classes(tuple(map(str, given)))
