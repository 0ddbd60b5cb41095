"""Recipes made ready for a look: their layers found, taken apart into what a look gives, and put together again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from ..engine.forward.inputs import Inputs
from ..models.reading.stages import convolutions, stages
from ..models.subject.subject import Subject
from ..recipes.fusion import fused
from ..recipes.recipe import AUTO, Recipe
from ..words.errors import LayoutUnclear
from .answer import Seen


@dataclass(frozen=True)
class Wanted:
    """One map that is asked for."""

    recipe: Recipe
    """With its layers by name."""
    looks: tuple[Recipe, ...]
    """What it is fused of, recipes of one part each; one that is fused of nothing is its own."""


def wanted(subject: Subject, inputs: Inputs, asked: Sequence[Recipe]) -> list[Wanted]:
    """The maps that recipes ask for: one of each, or where it is not fused one of every layer or part."""
    return [one for recipe in asked for one in _wanted(subject, inputs, recipe)]


def _wanted(subject: Subject, inputs: Inputs, recipe: Recipe) -> list[Wanted]:
    parts = recipe.parts or (recipe,)
    looks = tuple(one for part in parts for one in _each_layer(with_layers(subject, inputs, part)))
    if not recipe.parts or recipe.apart:
        return [Wanted(one, (one,)) for one in looks]
    layers = dict.fromkeys(layer for one in looks for layer in one.layers)
    return [Wanted(replace(recipe, parts=looks, layers=tuple(layers)), looks)]


def _each_layer(recipe: Recipe) -> list[Recipe]:
    """A recipe whose layers are not fused as one of each layer."""
    apart = recipe.apart and recipe.layers
    return [replace(recipe, layers=(layer,), fuse=AUTO) for layer in recipe.layers] if apart else [recipe]


def together(asked: Sequence[Wanted], seen: Seen, size: tuple[int, ...]) -> Seen:
    """The answer to `asked` from the one to all its looks; maps of several meet at `size`."""
    maps, notes = [], []
    r = 0
    for one in asked:
        its = slice(r, r := r + len(one.looks))
        if not one.recipe.parts:
            maps.append(seen.maps[its.start])
            notes.append(seen.notes[its.start])
            continue
        by_target = zip(*seen.maps[its], strict=True)
        maps.append([fused(one.recipe.fusion, parts, size) for parts in by_target])
        notes.append([_of_all(said) for said in zip(*seen.notes[its], strict=True)])
    return replace(seen, recipes=[one.recipe for one in asked], maps=maps, notes=notes)


def _of_all(said: Sequence[list[list[str]]]) -> list[list[str]]:
    """[look][image] -> [image]: what is said of several looks, once."""
    return [list(dict.fromkeys(chain(*of_image))) for of_image in zip(*said, strict=True)]


def with_layers(subject: Subject, inputs: Inputs, recipe: Recipe) -> Recipe:
    """The recipe with its layers by name, however they are given, or left to its method or the model."""
    if recipe.layers:
        return replace(recipe, layers=subject.named_layers(recipe.layers, *inputs.args, **inputs.kwargs))
    meant = {"convolutions": convolutions, "stages": stages}.get(recipe.entry.layers)
    if meant is None:
        return replace(recipe, layers=_default(subject, inputs, recipe))
    found = meant(subject.model, inputs.args, inputs.kwargs, subject.reading)
    return replace(recipe, layers=found or subject.default_layers(*inputs.args, **inputs.kwargs))


def _default(subject: Subject, inputs: Inputs, recipe: Recipe) -> tuple[str, ...]:
    """The default layers; none where there are none and the method looks at pictures alone."""
    try:
        return subject.default_layers(*inputs.args, **inputs.kwargs)
    except LayoutUnclear:
        if recipe.needs_layers:
            raise
        return ()
