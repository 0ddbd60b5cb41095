"""One batch of photos looked at: an explanation of each photo by each recipe for each target."""

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.state.evaluating import evaluating
from ..images import Photo, Volume
from ..models import Subject
from ..recipes.recipe import Recipe
from ..targets import Box, ClassTarget, Target, detections
from ..words.notation import resize_maps
from .answer import Seen
from .crops import around
from .explanation import Explanation
from .look import look
from .request import Wishes
from .volume_explanation import VolumeExplanation

_LIKELY, _MOST = 0.5, 5


def explain_batch(
    subject: Subject,
    photos: Sequence[Photo | Volume],
    asked: Sequence[Recipe],
    wanted: Sequence[Target],
    wishes: Wishes,
) -> list[list[Explanation]]:
    """Of each photo its explanations, by recipe, then target; a recipe that is not fused is several.

    No target is wanted of a detector that is to be explained by what it finds.
    """
    if not wanted:
        return [explain_batch(subject, [photo], asked, _found_in(subject, photo), wishes)[0] for photo in photos]
    subject, asked = around(subject, asked)
    prepared = [subject.prepare(photo) for photo in photos]
    if len({image.shape for image, _ in prepared}) > 1:  # photos of their own sizes do not make a batch
        return [e for photo in photos for e in explain_batch(subject, [photo], asked, wanted, wishes)]
    inputs = subject.shown((subject.ready(torch.cat([image for image, _ in prepared])),))
    seen = look(subject, inputs, asked, [[target] * len(photos) for target in wanted], wishes)
    return [
        [
            _explanation(subject, photo, placement, seen, r, t, i)
            for r in range(len(seen.recipes))
            for t in range(len(wanted))
        ]
        for i, (photo, (_, placement)) in enumerate(zip(photos, prepared, strict=True))
    ]


def wanted_of(subject: Subject, given: Sequence[Any]) -> list[Target]:
    """The targets that are asked for; none where a detector is asked for nothing, and answers by what it finds."""
    if isinstance(subject.usual, Box) and all(target is None for target in given):
        return []
    return [subject.target(target) for target in given]


def _found_in(subject: Subject, photo: Photo | Volume) -> list[Target]:
    """The strongest detections: those that are likelier than not, at most five, at least one."""
    with evaluating(subject.model):
        outputs = subject.shown((subject.ready(subject.prepare(photo)[0]),)).shown_to(subject.model)
    likely = int((detections(outputs)[0]["scores"] >= _LIKELY).sum())
    return [Box(rank=rank) for rank in range(min(max(likely, 1), _MOST))]


def _explanation(subject: Subject, photo: Any, placement: Any, seen: Seen, r: int, t: int, i: int) -> Explanation:
    recipe, target = seen.recipes[r], seen.targets[t][i]
    volume = isinstance(photo, Volume)
    raw = np.ascontiguousarray(_picture(seen.maps[r][t][i], 3 if volume else 2).float().cpu().numpy())
    return (VolumeExplanation if volume else Explanation)(
        photo=photo,
        model=subject.name,
        recipe=recipe,
        target=target,
        name=target.text(subject.classes.name) if isinstance(target, ClassTarget) else _callable_name(target),
        score=_number(seen.scores[t][i]),
        probability=seen.probabilities[t][i],
        raw=raw,
        placement=placement,
        predictions=_predictions(subject, seen, i),
        warnings=tuple(dict.fromkeys([*seen.notes[r][t][i], *_said_of(subject)])),
        signed=_signed(recipe, seen.maps[r][t][i]),
    )


def _number(score: Tensor) -> float | None:
    """None where nothing is scored."""
    found = float(score.detach())
    return None if isnan(found) else found


def _picture(one: Tensor, dimensions: int) -> Tensor:
    if one.ndim != dimensions:
        resize_maps(one[None], (0,) * dimensions)  # says what it is
    return one


def _said_of(subject: Subject) -> list[str]:
    """What a person should know about the model."""
    return [*(f"assumed {what}" for what in subject.assumed), *subject.remarks]


def _signed(recipe: Recipe, one: Tensor) -> bool:
    """Whether negative values of a shown map mean something; one that is shown from its lowest value on has none."""
    if recipe.entry.display == "range":
        return False
    return (recipe.entry.signed and len(recipe.layers) == 1) or bool((one < 0).any())


def _predictions(subject: Subject, seen: Seen, image: int) -> tuple[tuple[str, float], ...]:
    if seen.ranking is None:
        return ()
    best = seen.ranking[image].sort(descending=True, stable=True)
    return tuple(
        (subject.classes.name(int(c)), float(p)) for p, c in zip(best.values[:5], best.indices[:5], strict=True)
    )


def _callable_name(target: Callable[..., Any]) -> str:
    return getattr(target, "__name__", type(target).__name__)
