"""Recipes and targets -> maps, with as few passes through the network as they need together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..engine.evidence.evidence import Evidence
from ..engine.forward.batching import at_once, chunked, out_of_memory
from ..engine.forward.inputs import Inputs
from ..engine.passes.scene import Options, Scene, View
from ..engine.state.evaluating import evaluating
from ..engine.state.in_place import again_if_written
from ..models.subject.class_names import check_class_names
from ..models.subject.subject import Subject
from ..recipes.averages import Average, find_average
from ..recipes.fusion import fused
from ..recipes.recipe import Recipe
from ..targets import ClassTarget, Logit, Opposite, Target, described, placed
from ..words.errors import BadValue, ScoreIndifferent
from ..words.notation import Maps, resize_maps, unit_scale
from ..words.signature import needs
from .answer import Seen, joined
from .checking import checked, not_finite
from .crops import blind, blind_maps, choosing, plainly
from .parts import Wanted, together, wanted
from .request import Wishes
from .settling import Aims, aims_of, ranking
from .warnings import notes_on


def look(
    subject: Subject, inputs: Inputs, asked: Sequence[Recipe], targets: Sequence[Sequence[Target]], wishes: Wishes
) -> Seen:
    """Explain every image of a batch by every recipe for every target; targets[t][i] is for image i.

    A recipe whose layers or parts are not fused becomes several in the answer.
    """
    if not inputs.batch:
        raise BadValue("a batch of 0 images", "at least one image")
    parts = [part for recipe in asked for part in recipe.parts or (recipe,)]
    if subject.lacking is not None:
        for part in parts:
            subject.lacking.check(part.entry)
    plain = plainly(inputs, parts)
    maps = _wanted(subject, plain, asked)
    looks = [one for each in maps for one in each.looks]

    def look_at(start: int, stop: int) -> Seen:
        shown, unviewed = inputs.part(start, stop), plain.part(start, stop)
        of_part = [row[start:stop] for row in targets]
        return again_if_written(subject.model, lambda: _look(subject, shown, unviewed, looks, of_part, wishes))

    if any(one.entry.joint for one in looks):
        seen = at_once(lambda: look_at(0, inputs.batch), inputs.batch)
    else:
        seen = joined(list(chunked(look_at, inputs.batch, inputs.batch, what="images")))
    return together(maps, seen, inputs.size)


def _wanted(subject: Subject, inputs: Inputs, asked: Sequence[Recipe]) -> list[Wanted]:
    """The maps that are asked for; layers are looked for with one image where all do not fit into memory."""
    try:
        return wanted(subject, inputs, asked)
    except (RuntimeError, MemoryError) as error:
        if inputs.batch == 1 or not out_of_memory(error):
            raise
    return wanted(subject, inputs.part(0, 1), asked)


def _look(
    subject: Subject,
    inputs: Inputs,
    plain: Inputs,
    recipes: Sequence[Recipe],
    targets: Sequence[Sequence[Target]],
    wishes: Wishes,
) -> Seen:
    """The same for recipes of one part each, their layers by name.  plain: what the model is shown without views."""
    groups: dict[Average | None, list[int]] = {None: []}
    beside = [r for r, recipe in enumerate(recipes) if blind(recipe)]
    for r in (r for r in range(len(recipes)) if r not in beside):
        groups.setdefault(find_average(recipes[r].average), []).append(r)
    with evaluating(subject.model, differentiable=wishes.differentiable):
        clean = _scene(subject, plain, [recipes[r] for r in groups[None]], wishes)
        if len(subject.classes):
            check_class_names(subject, clean.outputs)
        chosen_on = choosing(subject, inputs, clean, recipes, wishes)
        aims = aims_of(clean, chosen_on, recipes, targets, subject.usual, blindly=not wishes.scores)
        scores = aims.scores(clean.outputs) if wishes.scores else []
        maps: list[list[Maps]] = [[] for _ in recipes]
        notes: list[list[list[list[str]]]] = [[] for _ in recipes]
        for r in beside:
            maps[r] = [blind_maps(subject, inputs, recipes[r])] * len(aims.settled)
            notes[r] = [notes_on(m, recipes[r], clean, []) for m in maps[r]]
        for average, members in groups.items():
            group = [recipes[r] for r in members]
            if average is None:
                found = _maps(subject, clean, group, aims, wishes.upsample)
            else:
                found = _mean(subject, inputs.meant(clean.inputs.meaning), group, average, aims, wishes)
            for r, row in zip(members, found, strict=True):
                maps[r] = row
                notes[r] = [notes_on(m, recipes[r], clean, of_aim) for m, of_aim in zip(row, aims.notes, strict=True)]
        ranked = wishes.scores and isinstance(subject.usual, Logit)
        order = ranking(clean.outputs if chosen_on is None else chosen_on) if ranked else None
    return Seen(list(recipes), maps, aims.settled, scores, _probabilities(order, aims.settled), order, notes)


def _scene(subject: Subject, inputs: Inputs, recipes: Sequence[Recipe], wishes: Wishes) -> Scene:
    layers = dict.fromkeys(layer for recipe in recipes for layer in recipe.layers)
    tails = frozenset(layer for recipe in recipes if recipe.replays for layer in recipe.layers)
    options = Options(
        graph=any(recipe.differentiates for recipe in recipes),
        curvature=any("curvature" in recipe.needs for recipe in recipes),
        tails=tails,
        precision=wishes.precision,
        differentiable=wishes.differentiable,
        progress=wishes.progress,
        first_in_full=not tails and any("score_under" in recipe.needs for recipe in recipes),
        compiled=wishes.compiled,
    )
    return Scene(subject.model, inputs, list(layers), subject.layout, subject.baseline(inputs.images), options)


def _maps(subject: Subject, scene: Scene, recipes: Sequence[Recipe], aims: Aims, upsample: bool) -> list[list[Maps]]:
    """[recipe][target] from one scene; one backward pass per target, and none again for what knows no target."""
    found: list[list[Maps]] = [[] for _ in recipes]
    for plain, sharper in zip(aims.settled, aims.sharper, strict=True):
        views = scene.under(plain), scene.under(sharper)
        opposite = [scene.under([Opposite(t) for t in row]) for row in (plain, sharper)]
        for recipe, maps in zip(recipes, found, strict=True):
            again = bool(maps) and not recipe.knows_target
            against = opposite[recipe.contrast] if recipe.doubled else None
            maps.append(maps[0] if again else _map(subject, views[recipe.contrast], against, recipe, upsample))
    return found


def _mean(
    subject: Subject,
    inputs: Inputs,
    recipes: Sequence[Recipe],
    average: Average,
    aims: Aims,
    wishes: Wishes,
) -> list[list[Maps]]:
    """[recipe][target]: the mean over the average's views, each map put back first; the targets stay what they are."""
    if getattr(average, "moves", False) and (fixed := [t for row in aims.settled for t in row if placed(t)]):
        raise BadValue(
            f"the average {type(average).__name__.lower()} for {described(fixed[0])}",
            "an average that leaves things at their places: noise, path",
        )
    sums: list[list[Maps | float]] = [[0.0] * len(aims.settled) for _ in recipes]
    views = 0
    for images, put_back in average.views(inputs.images, subject.baseline(inputs.images)):
        scene = _scene(subject, inputs.showing(images), recipes, wishes)
        natively = getattr(average, "enlarges", False)
        upsample = not natively and (wishes.upsample or images.shape != inputs.images.shape)
        found = [[put_back(m) for m in row] for row in _maps(subject, scene, recipes, aims, upsample)]
        if average.scaled:
            found = [[unit_scale(m) for m in row] for row in found]
        sums = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(sums, found, strict=True)]
        views += 1
    return [[torch.as_tensor(total) / views for total in row] for row in sums]


def _map(subject: Subject, view: View, against: View | None, recipe: Recipe, upsample: bool) -> Maps:
    """The map of one recipe, (n, *space); less what speaks for the opposite, where that is to count."""
    size = tuple(view.scene.images.shape[2:])
    found = [
        _at(subject, view, recipe, layer) - (0 if against is None else _at(subject, against, recipe, layer))
        for layer in recipe.layers or ("",)
    ]
    if len(found) == 1:
        return resize_maps(found[0], size) if upsample else found[0]
    return fused(recipe.fusion, found, size)


def _at(subject: Subject, view: View, recipe: Recipe, layer: str) -> Maps:
    """At one layer, as the method gives it."""
    function, settings = recipe.entry.function, dict(recipe.settings)
    try:
        evidence = Evidence(view, layer)
        maps = function(*(getattr(evidence, word) for word in needs(function)), **settings)
    except ScoreIndifferent as error:
        raise _with_advice(error, subject, view, layer) from None
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        raise not_finite(recipe, layer) from None
    return checked(maps, recipe, layer, view.scene.images)


def _with_advice(error: ScoreIndifferent, subject: Subject, view: View, layer: str) -> ScoreIndifferent:
    if not layer:
        return error
    best = subject.default_layers(*view.scene.inputs.args, **view.scene.inputs.kwargs)
    do = f"Use {', '.join(map(repr, best))}" if layer not in best else error.do or "Choose another target or layer"
    return ScoreIndifferent(error.got, error.expected, do)


def _speaks_of_class(target: Target) -> bool:
    return isinstance(target, ClassTarget) and target.index is not None


def _probabilities(ranking: Tensor | None, settled: Sequence[Sequence[Target]]) -> list[list[float | None]]:
    def of(target: Any, image: int) -> float | None:
        if ranking is None or not isinstance(target, ClassTarget) or target.index is None:
            return None
        return float(ranking[image, target.index])

    return [[of(target, i) for i, target in enumerate(row)] for row in settled]
