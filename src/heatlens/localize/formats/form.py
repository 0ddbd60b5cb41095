"""What a form of annotations is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..finding import Located


@dataclass(frozen=True)
class Form:
    """A form in which other tools keep boxes: a file for each photo, or one for all of them."""

    name: str
    ending: str
    """Of its files, without a dot."""
    write: Callable[[Sequence[Located]], bytes]
    read: Callable[[bytes], list[Located]] | None = None
    """What was written, again; a form that can be read holds all photos in one file, to which runs add theirs."""
