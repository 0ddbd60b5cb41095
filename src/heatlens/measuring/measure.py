"""The question how good maps are: `measure`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, Unpack, overload

import torch
from torch import Tensor

from ..asking.batches import FailedPhoto, answered, in_order
from ..asking.crops import around
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
    precision_of,
)
from ..asking.look import look
from ..asking.request import Wishes
from ..engine.forward.batching import Progress
from ..engine.passes.scene import Options, Scene
from ..engine.state.evaluating import evaluating
from ..images import Photo, read_photo, sources_of
from ..metrics.criterion import Criterion, find_criterion
from ..metrics.truth import Truth
from ..models import Subject, subject_of
from ..recipes.asked import recipes
from ..recipes.averages import Average
from ..recipes.fusion import Fusion
from ..recipes.recipe import AUTO, Recipe
from ..targets import Logit, Target
from ..words.errors import BadValue
from ..words.metric import Metric
from ..words.signature import needs
from .evidence import MapEvidence, Showing
from .values import Values, plain_values

Asked: TypeAlias = str | Metric | Criterion | Callable[..., Tensor]
"""A metric, however it is named."""

_OF_THE_MAPS = frozenset({"heat", "attribution", "boxes", "located", "masks", "labels", "ranking", "classes"})
"""What a metric asks that shows the model nothing."""
_SHARES = 100
"""Progress is told in hundredths of a measurement."""


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
    true = [truths] if isinstance(truths, Truth) else _true(truths, len(sources))
    size = max(1, len(sources) if any(recipe.entry.joint for recipe in asked) else batch_size)

    def of_batch(batch: dict[int, Photo]) -> list[list[Values]]:
        told = _part(progress, min(batch) // size, -(-len(sources) // size))
        given: dict[str, Any] = {"target": target, "seed": seed, "precision": precision, "progress": told}
        return measured(subject, [*batch.values()], asked, criteria, [true[place] for place in batch], **given)

    if several:
        return in_order(answered(sources, size, of_batch), len(asked))
    (found,) = of_batch({0: read_photo(sources[0])})
    return found if is_list(method) or any(recipe.apart for recipe in asked) else found[0]


def measured(
    subject: Subject,
    photos: Sequence[Photo],
    recipes: Sequence[Recipe],
    criteria: Sequence[Criterion],
    truths: Sequence[Truth] | None = None,
    *,
    target: Any = None,
    seed: int = 0,
    precision: str | None = None,
    progress: Progress | None = None,
) -> list[list[Values]]:
    """[photo][map]: the values of all criteria, of photos that are looked at as one batch; mostly a map a recipe.

    target: what is explained, as in `heatlens.explain`; "label": each photo's true class.
    seed: of every metric that draws and was given no seed of its own.
    """
    true = _true(truths, len(photos))
    wishes = Wishes(precision=precision_of(precision))
    if all(set(needs(criterion.metric.function)) <= _OF_THE_MAPS for criterion in criteria):
        subject, recipes = around(subject, recipes)
    prepared = [subject.prepare(photo) for photo in photos]
    if len({image.shape for image, _ in prepared}) > 1:  # photos of their own sizes do not make a batch
        given: dict[str, Any] = {"target": target, "seed": seed, "precision": precision}
        alone = [
            ([photo], [truth], _part(progress, i, len(photos)))
            for i, (photo, truth) in enumerate(zip(photos, true, strict=True))
        ]
        return [measured(subject, p, recipes, criteria, t, progress=told, **given)[0] for p, t, told in alone]
    inputs = subject.shown((subject.ready(torch.cat([image for image, _ in prepared])),))
    with evaluating(subject.model):
        seen = look(subject, inputs, recipes, [_targets(subject, target, true)], wishes)
        options = Options(graph=False, precision=wishes.precision)
        scene = Scene(subject.model, inputs, [], subject.layout, subject.baseline(inputs.images), options)
        showing = Showing(subject, scene, seen, photos, [placement for _, placement in prepared], true, wishes)
        return _judged(showing, len(seen.recipes), criteria, seed, progress)


def _judged(
    showing: Showing, recipes: int, criteria: Sequence[Criterion], seed: int, progress: Progress | None
) -> list[list[Values]]:
    photos, steps = len(showing.truths), recipes * len(criteria)
    found: list[list[Values]] = [[{} for _ in range(recipes)] for _ in range(photos)]
    for r in range(recipes):
        for c, criterion in enumerate(criteria):
            part = _part(progress, r * len(criteria) + c, steps)
            values = criterion(MapEvidence(showing, r, part), seed)
            for photo, value in enumerate(plain_values(criterion, values, photos)):
                found[photo][r][criterion.name] = value
            if part is not None:
                part(1, 1)
    return found


def _true(truths: Sequence[Truth] | None, photos: int) -> list[Truth]:
    true = list(truths) if truths is not None else [Truth()] * photos
    if len(true) != photos:
        raise BadValue(f"{len(true)} truths for {photos} photos", "one truth per photo")
    return true


def _targets(subject: Subject, target: Any, truths: Sequence[Truth]) -> list[Target]:
    if target != "label":
        return [subject.target(target)] * len(truths)
    if any(truth.label is None for truth in truths):
        raise BadValue("a photo without a true class", "a label, to explain it", "Use another target")
    return [Logit(index=truth.label) for truth in truths]


def _part(progress: Progress | None, step: int, steps: int) -> Progress | None:
    """The progress of one step among all."""
    if progress is None:
        return None
    return lambda done, total: progress(step * _SHARES + done * _SHARES // max(total, 1), steps * _SHARES)
