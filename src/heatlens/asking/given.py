"""What a person gives with a question, as types."""

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypedDict

import torch
from torch import nn

from ..engine.forward.batching import Progress
from ..images import Photo, Volume
from ..images.reading.read import Source
from ..models import Named, Subject
from ..recipes.averages import Average
from ..recipes.recipe import Recipe
from ..targets import Target
from ..words.errors import BadValue
from ..words.signature import Method

Model: TypeAlias = str | nn.Module | Subject
OnePhoto: TypeAlias = Source | Photo | Volume
"""For a type checker a text is one photo; name a folder or a pattern in a list."""
SeveralPhotos: TypeAlias = list[Any] | tuple[Any, ...] | Generator[Any, None, None]
OneMethod: TypeAlias = str | Method | Recipe
SeveralMethods: TypeAlias = list[Any] | tuple[Any, ...]
OneTarget: TypeAlias = int | str | Target | None
SeveralTargets: TypeAlias = list[Any] | tuple[Any, ...]
Layers: TypeAlias = Named | Sequence[Named] | None


class HowExplained(TypedDict, total=False):
    """What else `explain` may be told."""

    layers: Layers
    average: str | Average | None
    negative: bool
    settings: dict[str, Any] | None
    batch_size: int
    precision: str | None
    compile: bool
    progress: Progress | None


class HowMeasured(TypedDict, total=False):
    """What else `measure` may be told."""

    target: OneTarget
    truths: Any
    layers: Layers
    average: str | Average | None
    settings: dict[str, Any] | None
    batch_size: int
    precision: str | None
    seed: int
    progress: Progress | None


_PRECISIONS = {"fp32": None, "float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def is_list(value: object) -> bool:
    """Whether several were given."""
    return isinstance(value, list | tuple)


def as_list(value: object) -> list[Any]:
    """What was given, one or several, as a list."""
    return [*value] if isinstance(value, list | tuple) else [value]


def precision_of(name: str | None) -> torch.dtype | None:
    """The type to autocast to; None: the model as it is."""
    if name is not None and name not in _PRECISIONS:
        raise BadValue(f"precision {name!r}", f"one of {', '.join(_PRECISIONS)}")
    return None if name is None else _PRECISIONS[name]
