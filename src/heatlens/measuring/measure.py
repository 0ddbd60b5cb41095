"""The question how good maps are: `measure`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, Unpack, overload

from torch import Tensor

from ..asking.batches import FailedPhoto, answered, in_order
from ..asking.given import (
    HowMeasured,
    Layers,
    Model,
    OneMethod,
    OnePhoto,
    OneTarget,
    SeveralMethods,
    SeveralPhotos,
    as_list,
    is_list,
)
from ..engine.forward.batching import Progress
from ..images import Photo, read_photo, sources_of
from ..metrics.criterion import Criterion, find_criterion
from ..metrics.truth import Truth
from ..models import subject_of
from ..recipes.asked import recipes
from ..recipes.averages import Average
from ..recipes.fusion import Fusion
from ..recipes.recipe import AUTO
from ..words.metric import Metric
from .measured import as_many, measured, part_of
from .values import Values

Asked: TypeAlias = str | Metric | Criterion | Callable[..., Tensor]
"""A metric, however it is named."""


@overload
def measure(
    model: Model,
    photos: OnePhoto,
    metrics: Asked | Sequence[Asked] = ...,
    *,
    method: OneMethod = ...,
    fuse: str | Fusion = ...,
    **how: Unpack[HowMeasured],
) -> Values: ...
@overload
def measure(
    model: Model,
    photos: OnePhoto,
    metrics: Asked | Sequence[Asked] = ...,
    *,
    method: SeveralMethods,
    fuse: str | Fusion | None = ...,
    **how: Unpack[HowMeasured],
) -> list[Values]: ...
@overload
def measure(
    model: Model,
    photos: OnePhoto,
    metrics: Asked | Sequence[Asked] = ...,
    *,
    method: OneMethod = ...,
    fuse: None,
    **how: Unpack[HowMeasured],
) -> list[Values]: ...
@overload
def measure(
    model: Model,
    photos: SeveralPhotos,
    metrics: Asked | Sequence[Asked] = ...,
    *,
    method: OneMethod | SeveralMethods = ...,
    fuse: str | Fusion | None = ...,
    **how: Unpack[HowMeasured],
) -> list[Values | FailedPhoto]: ...
def measure(
    model: Model,
    photos: OnePhoto | SeveralPhotos,
    metrics: Asked | Sequence[Asked] = ("insertion", "deletion"),
    *,
    method: OneMethod | SeveralMethods = "grad_cam",
    target: OneTarget = None,
    truths: Truth | Sequence[Truth] | None = None,
    layers: Layers = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    settings: dict[str, Any] | None = None,
    batch_size: int = 8,
    precision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Values | list[Values] | list[Values | FailedPhoto]:
    """How good a model's maps are: `{metric: value}`, a value being a number, or a list where the metric gives a row.

    model, photos, method, layers, fuse, average, precision: as in `heatlens.explain`.
    metrics: one or several, with settings as in "deletion:step=448"; `heatlens metrics` lists them; or a function of
    your own, whose parameters are named like the evidence it needs.
    target: what is explained, as in `explain`; "label": each photo's true class.
    truths: a `Truth`, or one for each photo, for metrics that need one; None: nothing is known.
    settings: of the methods, by name.
    batch_size: photos that are looked at together, 8; fewer where memory runs out.
    seed: 0, of every metric that draws and was given no seed of its own.
    progress: told (done, total) while it works.

    One photo and one method give one dictionary; several of either give a list of them, by photo, method, layer; among
    several photos one that fails has a `FailedPhoto` in its places.
    Costs the maps, and what `heatlens metrics NAME` says for each.  Raises `HeatlensError`.
    """
    subject = subject_of(model)
    asked = recipes(method, settings or {}, layers, fuse, average)
    criteria = [find_criterion(m) for m in as_list(metrics)]
    sources, several = sources_of(photos)
    true = [truths] if isinstance(truths, Truth) else as_many(truths, len(sources))
    joint = any(recipe.entry.joint for recipe in asked)
    size = max(1, len(sources) if joint else batch_size)

    def of_batch(batch: dict[int, Photo]) -> list[list[Values]]:
        told = part_of(progress, min(batch) // size, -(-len(sources) // size))
        given: dict[str, Any] = {"target": target, "seed": seed, "precision": precision, "progress": told}
        return measured(subject, [*batch.values()], asked, criteria, [true[place] for place in batch], **given)

    if several:
        return in_order(answered(sources, size, of_batch, together=joint), len(asked))
    (found,) = of_batch({0: read_photo(sources[0])})
    return found if is_list(method) or any(recipe.apart for recipe in asked) else found[0]
