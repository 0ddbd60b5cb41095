"""Targets of likeness: to a photo, by the model's own embedding, and to a text for models that read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from ...images import Photo, read_photo
from ...targets import KINDS, Classes, Similarity
from ...words.wording import spelling


class Reader(Protocol):
    """What turns texts into embeddings beside those of photos."""

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """(texts, d)."""

    def classifying(self, texts: Sequence[str]) -> nn.Module:
        """The model as a classifier whose classes are these texts."""


def likeness(
    text: str, classes: Classes, reader: Reader | None, embedded: Callable[[Photo], Tensor]
) -> Similarity | None:
    """The target `similar:FILE`, `similar:TEXT` or `TEXT`; None where the words mean something else.

    embedded: what the model says of a photo, (d,).
    """
    kind, _, rest = text.partition(":")
    asked = spelling(kind) == "similar"
    if asked and Path(rest).expanduser().is_file():
        photo = read_photo(rest)
        return Similarity(tuple(embedded(photo).tolist()), f"like {photo.name}")
    if reader is None or not (asked or _is_prose(text, kind, classes)):
        return None
    said = rest if asked else text
    return Similarity(tuple(reader.embeddings([said])[0].tolist()), said)


def _is_prose(text: str, kind: str, classes: Classes) -> bool:
    """Whether a text is no class, no number and no other kind of target."""
    if (":" in text and spelling(kind) in KINDS) or text.strip().startswith("#"):
        return False
    known = {spelling(name) for name in classes.names}
    return bool(spelling(text)) and not text.strip().isdecimal() and spelling(text) not in known
