"""What a person should know about a map: why it is blank or even, what was guessed, how far it may be trusted."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import torch

from ..engine.passes.scene import Scene
from ..models.reading.layouts import Tokens
from ..recipes.recipe import Recipe
from ..words.notation import Maps, space
from ..words.signature import settings

_EVEN = 1e-5
"""A map whose values differ by less than this share of the largest differs by rounding."""
_FAR = 0.02
"""Half precision that moves a map by more than this share of its largest value is said."""
_HALVES = {torch.bfloat16: "bf16", torch.float16: "fp16"}


def notes_on(
    maps: Sequence[Sequence[Maps]], recipes: Sequence[Recipe], scene: Scene, of_aims: Sequence[Sequence[Sequence[str]]]
) -> list[list[list[list[str]]]]:
    """[recipe][target][image]: what there is to say of the maps[recipe][target] `(n, *space)`.

    of_aims: [recipe][target], what is said of the target.
    """
    bounds = iter(_bounds([one for row in maps for one in row]))

    def of_recipe(recipe: Recipe, row: Sequence[Maps], of_targets: Sequence[Sequence[str]]) -> list[list[list[str]]]:
        shared = [*guessed(recipe, scene), *cautions(recipe, scene), *rounded(recipe, scene)]
        known = [[*scene.notes, *of_target, *shared] for of_target in of_targets]
        return [[said + own for own in flat(next(bounds), recipe, scene)] for said, _ in zip(known, row, strict=True)]

    return [of_recipe(*one) for one in zip(recipes, maps, of_aims, strict=True)]


def guessed(recipe: Recipe, scene: Scene) -> list[str]:
    """Tokens that were set aside without anybody having said how many."""
    return [
        f"{t.prefix} of the tokens of layer {name!r} were taken for no patches; prefix_tokens={t.prefix} confirms it"
        for name, t in _layouts(recipe, scene).items()
        if isinstance(t, Tokens) and t.guessed
    ]


class _Looked:
    """`cautions.Looked`."""

    def __init__(self, recipe: Recipe, scene: Scene) -> None:
        self._recipe, self._scene = recipe, scene

    @property
    def signed(self) -> bool:
        known = self._scene.once(_signed)
        return any(known[name] for name in _said(self._recipe, self._scene))

    @property
    def attends(self) -> bool:
        return any("attention" in type(module).__name__.lower() for module in self._scene.model.modules())


def cautions(recipe: Recipe, scene: Scene) -> list[str]:
    """Why a map by this method, with its settings and at these layers, may not hold still."""
    chosen = {**settings(recipe.entry.function), **dict(recipe.settings)}
    why = recipe.entry.caution(_Looked(recipe, scene), chosen)
    return [f"{recipe.entry.name}: {why}"] if why else []


def rounded(recipe: Recipe, scene: Scene) -> list[str]:
    """How far half precision is known to move such a map."""
    kind = _HALVES.get(scene.options.precision or scene.images.dtype)
    known = half_precision().get(recipe.entry.name, {})
    far = known.get(kind, known.get("bf16", 0.0)) if kind else 0.0
    if far <= _FAR:
        return []
    return [f"{recipe.entry.name}: in {kind} a map was measured to lie up to {far:.2g} of its peak from that of fp32"]


@cache
def half_precision() -> dict[str, dict[str, float]]:
    """Method -> type -> the largest distance that `python -m benchmarks.conditioning` measured."""
    found: dict[str, dict[str, float]] = json.loads(
        files("heatlens.asking").joinpath("half_precision.json").read_text("utf-8")
    )
    return found


def _signed(scene: Scene) -> dict[str, bool]:
    """Of every layer, whether what it says is anywhere negative."""
    found = torch.stack([(said < 0).any() for said in scene.said.values()])
    return dict(zip(scene.said, found.tolist(), strict=True))


def _bounds(maps: Sequence[Maps]) -> list[list[tuple[float, float]]]:
    """[map][image]: its smallest and its largest value; of a map without places 0 and 1."""
    rows = [one.detach().flatten(1) for one in maps]
    rows = [one if one.shape[1] else torch.tensor([0.0, 1.0]).to(one).expand(len(one), 2) for one in rows]
    ends = [torch.stack([one.amin(1), one.amax(1)], 1).float() for one in rows]
    found: list[list[tuple[float, float]]] = torch.stack(ends).tolist()
    return found


def flat(bounds: Sequence[tuple[float, float]], recipe: Recipe, scene: Scene) -> list[list[str]]:
    """Why a map shows nothing: of each image that is zero, the same everywhere, or nowhere positive.

    bounds: the smallest and the largest value of each image's map.
    """
    found = (_flat(low, high, image, recipe, scene) for image, (low, high) in enumerate(bounds))
    return [[f"{recipe.entry.name}: {why}"] if why else [] for why in found]


def _flat(low: float, high: float, image: int, recipe: Recipe, scene: Scene) -> str:
    if low == high == 0:
        return f"the map is blank{_blank_because(image, recipe, scene)}"
    if high - low <= _EVEN * max(abs(low), abs(high)):
        return f"the map is the same everywhere{_even_because(recipe, scene)}"
    if high <= 0 and recipe.entry.display == "peak":
        return _nowhere_positive(recipe)
    return ""


def _blank_because(image: int, recipe: Recipe, scene: Scene) -> str:
    for name, said in _said(recipe, scene).items():
        own = said[image] if len(said) == len(scene.images) else said
        if not bool(own.any()):
            return f" because layer {name!r} returned only zeros"
    if not recipe.differentiates:
        return ""
    why = "no gradient that speaks for the target (a saturated score, or a ReLU that removed everything)"
    return f": {why}; hires_cam also shows what speaks against it"


def _even_because(recipe: Recipe, scene: Scene) -> str:
    for name, layout in _layouts(recipe, scene).items():
        stack = layout.to_stack(scene.said[name])
        if all(stack.shape[axis] == 1 for axis in space(stack)):
            return f": layer {name!r} has one place. Use a layer before the pooling"
    return ": nothing in it tells one place from another"


def _nowhere_positive(recipe: Recipe) -> str:
    about = "the target" if recipe.knows_target else "anything"
    advice = "" if recipe.knows_target else "; a layer behind a ReLU has a map that is nowhere negative"
    return f"the map is nowhere above zero, so that nothing in it speaks for {about}{advice}"


def _said(recipe: Recipe, scene: Scene) -> dict[str, torch.Tensor]:
    return {name: scene.said[name].detach() for name in recipe.layers if name in scene.said}


def _layouts(recipe: Recipe, scene: Scene) -> dict[str, Any]:
    return {name: scene.layout(name) for name in _said(recipe, scene)}
