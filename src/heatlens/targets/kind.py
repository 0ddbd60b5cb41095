"""What a kind of target is, and how what a person writes of one is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..words.converting import convert
from ..words.errors import BadValue, unknown
from .classes import ClassTarget, Logit
from .outputs import Target

Find = Callable[[str], int]
"""A class name, synonym or wnid -> its index; raises `UnknownName`."""


@dataclass(frozen=True)
class Asked:
    """`KIND:CLASS,setting=value,…`, taken apart."""

    kind: str
    text: str
    """What is written for the class."""
    given: Mapping[str, str]
    find: Find
    usual: ClassTarget
    """What is meant where only a class is named."""

    def which(self) -> tuple[int | None, int]:
        """(index, rank) of the class."""
        return which(self.text, self.find)

    def meant(self, text: str) -> ClassTarget:
        """A class as this model's answers are read: a region of it, a detection of it, or its score."""
        return meant(self.usual, *which(text, self.find))

    def settings(self, target: Any) -> dict[str, Any]:
        """The settings as the target's dataclass declares them in `SETTINGS`."""
        declared = {f.name: f for f in fields(target) if f.name in target.SETTINGS}
        settings: dict[str, Any] = {}
        for key, value in self.given.items():
            if key not in declared:
                raise unknown("setting", key, declared, owner=self.kind)
            if key == "against":
                settings[key] = tuple(_fixed(part, self.find) for part in value.split("+"))
            else:
                settings[key] = convert(key, value, declared[key].type, declared[key].default)
        return settings

    def placed(self, target: Any) -> Any:
        """One thing of a class, with what the model's own target of that kind says; `dog#2` is the second."""
        start = self.usual if isinstance(self.usual, target) else target()
        found, rank = _which_one(self.text, self.find)
        return replace(start, index=found, rank=rank, **self.settings(target))


@dataclass(frozen=True)
class Kind:
    """A kind of target that has a word."""

    name: str
    meaning: str
    make: Callable[[Asked], Target]
    written: str = "{kind}:CLASS"
    """How a person writes it."""
    settings: bool = False
    """Whether it has any."""

    def target(self, asked: Asked) -> Target:
        """What is asked for; raises `BadValue` for settings of a kind that has none."""
        if asked.given and not self.settings:
            said, plain = ", ".join(asked.given), f"{self.name}:{asked.text}"
            raise BadValue(f"{self.name} with {said}", f"no settings: {self.name} has none", f"write {plain}")
        return self.make(asked)


def which(text: str, find: Find) -> tuple[int | None, int]:
    """(index, rank) of a class as written: an index, a name, `#2` for the second prediction, nothing for the first."""
    text = text.strip()
    if not text:
        return None, 0
    if text.startswith("#"):
        if not text[1:].isdecimal() or int(text[1:]) < 1:
            raise BadValue(f"target {text!r}", "#1 for the strongest prediction, #2 for the second, …")
        return None, int(text[1:]) - 1
    return (int(text), 0) if text.removeprefix("-").isdecimal() else (find(text), 0)


def meant(usual: ClassTarget, found: int | None, rank: int = 0) -> ClassTarget:
    """A class as this model's answers are read."""
    own: Any = usual
    return replace(own, index=found, rank=rank) if getattr(own, "placed", False) else Logit(found, rank)


def _which_one(text: str, find: Find) -> tuple[int | None, int]:
    """As `which`, and `dog#2` for the second of a class."""
    name, mark, count = text.rpartition("#")
    if not mark or not name:
        return which(text, find)
    return which(name, find)[0], which(mark + count, find)[1]


def _fixed(text: str, find: Find) -> int:
    """A class that does not depend on the photo."""
    found, _ = which(text, find)
    if found is None:
        raise BadValue(f"against={text!r}", "classes by name or index, joined by +")
    return found
