"""Recipes made ready for a look: their layers found, their parts taken apart, and put together after it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from .engine.inputs import Inputs
from .fusion import fused
from .models.stages import convolutions, stages
from .models.subject import Subject
from .recipe import Recipe
from .seen import Seen


def apart(asked: Sequence[Recipe]) -> list[Recipe]:
    """Recipes of one part each."""
    return [part for recipe in asked for part in recipe.parts or (recipe,)]


def together(asked: Sequence[Recipe], seen: Seen, size: tuple[int, ...]) -> Seen:
    """The answer to `asked` from the one to its parts; maps of several parts meet at `size`."""
    recipes, maps, notes = [], [], []
    r = 0
    for recipe in asked:
        its = slice(r, r := r + max(1, len(recipe.parts)))
        recipes.append(_resolved(recipe, seen.recipes[its]))
        if not recipe.parts:
            maps.append(seen.maps[its.start])
            notes.append(seen.notes[its.start])
            continue
        by_target = zip(*seen.maps[its], strict=True)
        maps.append([fused(recipe.fusion, parts, size) for parts in by_target])
        notes.append([list(dict.fromkeys(chain(*said))) for said in zip(*seen.notes[its], strict=True)])
    return replace(seen, recipes=recipes, maps=maps, notes=notes)


def _resolved(recipe: Recipe, parts: Sequence[Recipe]) -> Recipe:
    """The recipe with the layers that its parts were looked at."""
    if not recipe.parts:
        return parts[0]
    layers = dict.fromkeys(layer for part in parts for layer in part.layers)
    return replace(recipe, parts=tuple(parts), layers=tuple(layers))


def with_layers(subject: Subject, inputs: Inputs, recipe: Recipe) -> Recipe:
    """The recipe with its layers by name, however they are given, or left to its method or the model."""
    if recipe.layers:
        return replace(recipe, layers=subject.named_layers(recipe.layers, *inputs.args, **inputs.kwargs))
    meant = {"convolutions": convolutions, "stages": stages}.get(recipe.entry.layers)
    if meant is None:
        return replace(recipe, layers=subject.default_layers(*inputs.args, **inputs.kwargs))
    found = meant(subject.model, inputs.args, inputs.kwargs, subject.reading)
    return replace(recipe, layers=found or subject.default_layers(*inputs.args, **inputs.kwargs))
