"""What a library of models is to heatlens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...words.errors import BadValue
from .subject import Subject


def _nothing(model: Any) -> None:
    """It is no model of this library."""


def _has_its_own(subject: Subject, weights: Any) -> Subject:
    raise BadValue(f"weights={weights!r} for {subject.name}", "none: the model has its own")


@dataclass(frozen=True)
class Library:
    """How its models are made by name, and known where somebody made one."""

    name: str
    load: Callable[..., Subject | nn.Module] | None = None
    """load(NAME, weights, **options) of `LIBRARY/NAME`; None: its models are only brought as they are."""
    names: Callable[[], list[str]] | None = None
    """The names that it knows, where they can be listed."""
    wrap: Callable[..., Subject | None] = _nothing
    """A model that somebody made with it, as a subject; None for every other model."""
    accepts: frozenset[str] = frozenset()
    """The options that `wrap` takes beside the model."""
    fill: Callable[[Subject, Any], Subject] = _has_its_own
    """The subject with the weights of a file in it."""
    bare: bool = False
    """Whether its names are understood without the library's in front."""
