"""Targets of likeness: to a photo, by the model's own embedding, and to a text for models that read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ..engine.evaluating import evaluating
from ..images import Photo, read_photo
from ..registry import spelling
from ..targets import KINDS, Classes, Similarity, embedding

if TYPE_CHECKING:
    from .subject import Subject


class Reader(Protocol):
    """What turns texts into embeddings beside those of photos."""

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """(texts, d)."""

    def classifying(self, subject: "Subject", classes: Classes) -> "Subject":
        """The subject whose classes are these texts."""


def likeness(subject: "Subject", text: str) -> Similarity | None:
    """The target `similar:FILE`, `similar:TEXT` or `TEXT`; None where the words mean something else."""
    kind, _, rest = text.partition(":")
    asked = spelling(kind) == "similar"
    if asked and Path(rest).expanduser().is_file():
        return similarity(subject, read_photo(rest))
    if subject.reader is None or not (asked or _is_prose(text, kind, subject.classes)):
        return None
    said = rest if asked else text
    return Similarity(tuple(subject.reader.embeddings([said])[0].tolist()), said)


def similarity(subject: "Subject", photo: Photo) -> Similarity:
    """The likeness to a photo."""
    with evaluating(subject.model):
        outputs = subject.shown((subject.ready(subject.prepare(photo)[0]),)).shown_to(subject.model)
    return Similarity(tuple(embedding(outputs)[0].float().tolist()), f"like {photo.name}")


def _is_prose(text: str, kind: str, classes: Classes) -> bool:
    """Whether a text is no class, no number and no other kind of target."""
    if (":" in text and spelling(kind) in KINDS) or text.strip().startswith("#"):
        return False
    known = {spelling(name) for name in classes.names}
    return bool(spelling(text)) and not text.strip().isdecimal() and spelling(text) not in known
