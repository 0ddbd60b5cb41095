"""The values of metrics for one batch of photos."""

from collections.abc import Sequence
from typing import Any

import torch

from ..asking.crops import around
from ..asking.given import (
    precision_of,
)
from ..asking.look import look
from ..asking.request import Wishes
from ..engine.forward.batching import Progress, chunked, one_warning
from ..engine.forward.inputs import Inputs
from ..engine.passes.scene import Options, Scene
from ..engine.state.evaluating import evaluating
from ..images import Photo, Placement
from ..metrics.criterion import Criterion
from ..metrics.truth import Truth
from ..models import Subject
from ..recipes.recipe import Recipe
from ..targets import Logit, Target
from ..words.errors import BadValue
from ..words.signature import needs
from .evidence import MapEvidence, Showing
from .values import Values, plain_values

_OF_THE_MAPS = frozenset({"heat", "attribution", "boxes", "located", "masks", "labels", "ranking", "classes"})
"""What a metric asks that shows the model nothing."""
_SHARES = 100
"""Progress is told in hundredths of a measurement."""


@one_warning()
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
    true = as_many(truths, len(photos))
    wishes = Wishes(precision=precision_of(precision), notes=False)
    if all(set(needs(criterion.metric.function)) <= _OF_THE_MAPS for criterion in criteria):
        subject, recipes = around(subject, recipes)
    prepared = [subject.prepare(photo) for photo in photos]
    if len({image.shape for image, _ in prepared}) > 1:  # photos of their own sizes do not make a batch
        given: dict[str, Any] = {"target": target, "seed": seed, "precision": precision}
        alone = [
            ([photo], [truth], part_of(progress, i, len(photos)))
            for i, (photo, truth) in enumerate(zip(photos, true, strict=True))
        ]
        return [measured(subject, p, recipes, criteria, t, progress=told, **given)[0] for p, t, told in alone]
    images = torch.cat([image for image, _ in prepared])

    def part(start: int, stop: int) -> list[list[Values]]:
        inputs = subject.shown((subject.ready(images[start:stop]),))
        own = photos[start:stop], [placement for _, placement in prepared[start:stop]], true[start:stop]
        return _of_batch(subject, inputs, recipes, criteria, own, target, seed, wishes, progress)

    if any(recipe.entry.joint for recipe in recipes):
        return part(0, len(photos))
    return [one for found in chunked(part, len(photos), len(photos), what="photos") for one in found]


def _of_batch(
    subject: Subject,
    inputs: Inputs,
    recipes: Sequence[Recipe],
    criteria: Sequence[Criterion],
    own: tuple[Sequence[Photo], Sequence[Placement], Sequence[Truth]],
    target: Any,
    seed: int,
    wishes: Wishes,
    progress: Progress | None,
) -> list[list[Values]]:
    """own: the photos, where they lie in the inputs, and what is true of them."""
    photos, placements, true = own
    with evaluating(subject.model):
        seen = look(subject, inputs, recipes, [_targets(subject, target, true)], wishes)
        options = Options(graph=False, precision=wishes.precision)
        scene = Scene(subject.model, inputs, [], subject.layout, subject.baseline(inputs.images), options)
        showing = Showing(subject, scene, seen, photos, placements, true, wishes)
        return _values_of(showing, len(seen.recipes), criteria, seed, progress)


def _values_of(
    showing: Showing, recipes: int, criteria: Sequence[Criterion], seed: int, progress: Progress | None
) -> list[list[Values]]:
    photos, steps = len(showing.truths), recipes * len(criteria)
    found: list[list[Values]] = [[{} for _ in range(recipes)] for _ in range(photos)]
    for r in range(recipes):
        for c, criterion in enumerate(criteria):
            part = part_of(progress, r * len(criteria) + c, steps)
            values = criterion(MapEvidence(showing, r, part), seed)
            for photo, value in enumerate(plain_values(criterion, values, photos)):
                found[photo][r][criterion.name] = value
            if part is not None:
                part(1, 1)
    return found


def as_many(truths: Sequence[Truth] | None, photos: int) -> list[Truth]:
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


def part_of(progress: Progress | None, step: int, steps: int) -> Progress | None:
    """The progress of one step among all."""
    if progress is None:
        return None
    return lambda done, total: progress(step * _SHARES + done * _SHARES // max(total, 1), steps * _SHARES)
