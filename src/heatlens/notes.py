"""What a person should know about a map: why it is blank, what was guessed about its layer."""

import numpy as np
from numpy.typing import NDArray

from .engine.scene import Scene
from .models.layouts import Tokens
from .notation import Maps
from .recipe import Recipe


def guessed(recipe: Recipe, scene: Scene) -> list[str]:
    """Tokens that were set aside without anybody having said how many."""
    layouts = {name: scene.layout(name) for name in recipe.layers if name in scene.said}
    return [
        f"{t.prefix} of the tokens of layer {name!r} were taken for no patches; prefix_tokens={t.prefix} confirms it"
        for name, t in layouts.items()
        if isinstance(t, Tokens) and t.guessed
    ]


def blank(maps: Maps, recipe: Recipe, scene: Scene) -> list[str]:
    """Why a map is empty, where one is."""
    if bool(maps.flatten(1).any(1).all()):
        return []
    dead = [name for name in recipe.layers if name in scene.said and not bool(scene.said[name].any())]
    if dead:
        return [f"{recipe.entry.name}: the map is blank because layer {dead[0]!r} returned only zeros"]
    if recipe.differentiates:
        why = "no gradient that speaks for the target (a saturated score, or a ReLU that removed everything)"
        return [f"{recipe.entry.name}: the map is blank: {why}; hires_cam also shows what speaks against it"]
    return [f"{recipe.entry.name}: the map is blank"]


def nowhere_positive(raw: NDArray[np.float32], recipe: Recipe) -> list[str]:
    """That a map says something, and nothing that speaks for what is explained."""
    if recipe.entry.display == "range" or not raw.any() or raw.max() > 0:
        return []
    about = "the target" if recipe.knows_target else "anything"
    advice = "; a layer behind a ReLU has a map that is nowhere negative" if not recipe.knows_target else ""
    return [f"{recipe.entry.name}: the map is nowhere above zero, so that nothing in it speaks for {about}{advice}"]
