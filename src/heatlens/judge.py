"""The question how good maps are: `measure`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .ask import precision_of
from .engine.batching import Progress
from .engine.evaluating import evaluating
from .engine.inputs import Inputs
from .engine.scene import Options, Scene
from .errors import BadValue
from .images import Photo
from .look import Wishes, look
from .measuring import Criterion
from .metrics.truth import Truth
from .models import Subject
from .recipe import Recipe
from .targets import Logit, Target
from .witness import Showing, Witness

Value = float | list[float]
Values = dict[str, Value]
"""Criterion's name -> the metric's value: a number, or a row of numbers; NaN where it is not defined."""

_SHARES = 100
"""Progress is told in hundredths of a measurement."""


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
    """[photo][recipe]: the values of all criteria, of photos that are looked at as one batch.

    target: what is explained, as in `heatlens.explain`; "label": each photo's true class.
    seed: of every metric that draws and was given no seed of its own.
    """
    true = list(truths) if truths is not None else [Truth()] * len(photos)
    if len(true) != len(photos):
        raise BadValue(f"{len(true)} truths for {len(photos)} photos", "one truth per photo")
    wishes = Wishes(precision=precision_of(precision))
    prepared = [subject.prepare(photo) for photo in photos]
    inputs = Inputs((subject.ready(torch.cat([image for image, _ in prepared])),))
    with evaluating(subject.model):
        seen = look(subject, inputs, recipes, [_targets(subject, target, true)], wishes)
        options = Options(graph=False, precision=wishes.precision)
        scene = Scene(subject.model, inputs, [], subject.layout, subject.baseline(inputs.images), options)
        showing = Showing(subject, scene, seen, [placement for _, placement in prepared], true, wishes)
        return _judged(showing, len(recipes), criteria, seed, progress)


def _judged(
    showing: Showing, recipes: int, criteria: Sequence[Criterion], seed: int, progress: Progress | None
) -> list[list[Values]]:
    photos, steps = len(showing.truths), recipes * len(criteria)
    found: list[list[Values]] = [[{} for _ in range(recipes)] for _ in range(photos)]
    for r in range(recipes):
        for c, criterion in enumerate(criteria):
            part = _part(progress, r * len(criteria) + c, steps)
            values = criterion(Witness(showing, r, part), seed)
            for photo, value in enumerate(_plain(criterion, values, photos)):
                found[photo][r][criterion.name] = value
            if part is not None:
                part(1, 1)
    return found


def _targets(subject: Subject, target: Any, truths: Sequence[Truth]) -> list[Target]:
    if target != "label":
        return [subject.target(target)] * len(truths)
    if any(truth.label is None for truth in truths):
        raise BadValue("a photo without a true class", "a label, to explain it", "Use another target")
    return [Logit(index=truth.label) for truth in truths]


def _plain(criterion: Criterion, values: Tensor, photos: int) -> list[Value]:
    if values.ndim not in (1, 2) or len(values) != photos:
        raise BadValue(f"{criterion.name} returned {tuple(values.shape)} for {photos} images", "(n,) or (n, k)")
    plain: list[Value] = values.detach().double().cpu().tolist()
    return plain


def _part(progress: Progress | None, step: int, steps: int) -> Progress | None:
    """The progress of one step among all."""
    if progress is None:
        return None
    return lambda done, total: progress(step * _SHARES + done * _SHARES // max(total, 1), steps * _SHARES)
