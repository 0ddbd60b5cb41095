"""The maps of recipes: from one scene, or the mean over the views of an average."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..engine.evidence.evidence import Evidence
from ..engine.forward.batching import pass_chunk
from ..engine.forward.finite import Doubts
from ..engine.forward.inputs import Inputs
from ..engine.passes.scene import Options, Scene, View
from ..models.subject.subject import Subject
from ..recipes.averages import Average
from ..recipes.fusion import fused
from ..recipes.recipe import Recipe
from ..targets import Opposite, described, placed
from ..words.errors import BadValue, HeatlensError, NotFinite, ScoreIndifferent
from ..words.notation import Maps, resize_maps, unit_scale
from ..words.signature import Method, declared_by, needs
from .request import Wishes
from .settling import Aims


def scene_of(subject: Subject, inputs: Inputs, recipes: Sequence[Recipe], wishes: Wishes, doubts: Doubts) -> Scene:
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
    black = subject.baseline(inputs.images)
    return Scene(subject.model, inputs, list(layers), subject.layout, black, options, doubts)


def maps_of(subject: Subject, scene: Scene, recipes: Sequence[Recipe], aims: Aims, upsample: bool) -> list[list[Maps]]:
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


def mean_of(
    subject: Subject,
    inputs: Inputs,
    recipes: Sequence[Recipe],
    average: Average,
    aims: Aims,
    wishes: Wishes,
    doubts: Doubts,
) -> list[list[Maps]]:
    """[recipe][target]: the mean over the average's views, each map put back first; the targets stay what they are."""
    if getattr(average, "moves", False) and (fixed := [t for row in aims.settled for t in row if placed(t)]):
        raise BadValue(
            f"the average {type(average).__name__.lower()} for {described(fixed[0])}",
            "an average that leaves things at their places: noise, path",
        )
    natively, joint = getattr(average, "enlarges", False), any(recipe.entry.joint for recipe in recipes)
    sums: list[list[Maps | float]] = [[0.0] * len(aims.settled) for _ in recipes]
    views = 0
    for images, put_back in average.views(inputs.images, subject.baseline(inputs.images)):
        upsample = not natively and (wishes.upsample or images.shape != inputs.images.shape)
        at_once = inputs.batch if joint else pass_chunk(images)
        parts = []
        for start in range(0, inputs.batch, at_once):
            some = slice(start, min(start + at_once, inputs.batch))
            shown = inputs.part(some.start, some.stop).showing(images[some])
            scene = scene_of(subject, shown, recipes, wishes, doubts)
            parts.append(maps_of(subject, scene, recipes, aims.of(some), upsample))
        rows = [[torch.cat(of_target) for of_target in zip(*row, strict=True)] for row in zip(*parts, strict=True)]
        found = [[put_back(m) for m in row] for row in rows]
        if average.scaled:
            found = [[unit_scale(m) for m in row] for row in found]
        sums = [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, found, strict=True)]
        views += 1
    return [[torch.as_tensor(total) / views for total in row] for row in sums]


def _map(subject: Subject, view: View, against: View | None, recipe: Recipe, upsample: bool) -> Maps:
    """The map of one recipe, (n, *space); less what speaks for the opposite, where that is to count."""
    size = tuple(view.scene.images.shape[2:])
    layers = recipe.layers or ("",)
    found = [_at(subject, view, recipe, layer) for layer in layers]
    if against is not None:
        found = [own - _at(subject, against, recipe, layer) for own, layer in zip(found, layers, strict=True)]
    if len(found) == 1:
        return resize_maps(found[0], size) if upsample else found[0]
    return fused(recipe.fusion, found, size)


def _takes_several(function: Method) -> bool:
    """Whether a method varies several images at once; of a function that nobody declared it is not known."""
    return declared_by(function) is not None or getattr(function, "__module__", "").startswith("heatlens.")


def _at(subject: Subject, view: View, recipe: Recipe, layer: str) -> Maps:
    """At one layer, as the method gives it."""
    function, settings = recipe.entry.function, dict(recipe.settings)
    try:
        evidence = Evidence(view, layer, _takes_several(function))
        maps = function(*(getattr(evidence, word) for word in needs(function)), **settings)
    except ScoreIndifferent as error:
        raise advised(error, subject, view.scene.inputs, layer) from None
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        raise _not_finite(recipe, layer) from None
    return _checked(maps, recipe, layer, view.scene.images, view.scene.doubts)


def advised(error: HeatlensError, subject: Subject, inputs: Inputs, layer: str) -> HeatlensError:
    """A score that does not depend on a layer, with the layers that it does depend on."""
    if not layer or not isinstance(error, ScoreIndifferent):
        return error
    best = subject.default_layers(*inputs.args, **inputs.kwargs)
    do = f"Use {', '.join(map(repr, best))}" if layer not in best else error.do or "Choose another target or layer"
    return ScoreIndifferent(error.got, error.expected, do)


def _checked(maps: object, recipe: Recipe, layer: str, images: Tensor, doubts: Doubts) -> Maps:
    """What a method returned, if it is a map of every image; whether it is one of numbers is asked later."""
    if not isinstance(maps, Tensor) or not maps.is_floating_point():
        found = str(maps.dtype) if isinstance(maps, Tensor) else f"a {type(maps).__name__}"
        do = "Return torch.from_numpy(…) of it" if type(maps).__module__ == "numpy" else ""
        raise BadValue(f"the method {recipe.entry.name} returned {found}", "a tensor of floats (n, *space)", do)
    if maps.ndim < 2 or len(maps) != len(images):
        raise BadValue(
            f"the method {recipe.entry.name} returned {tuple(maps.shape)} for {len(images)} images",
            f"maps ({len(images)}, *space)",
        )
    doubts.expect_finite(maps, lambda: _not_finite(recipe, layer))
    return maps


def _not_finite(recipe: Recipe, layer: str) -> NotFinite:
    """The error for a map that came out as no numbers."""
    where = f" at layer {layer!r}" if layer else ""
    return NotFinite(f"{recipe.entry.name}{where} came out as NaN or infinity", "finite activations")
