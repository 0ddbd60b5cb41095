"""What recipes are called: in full, and so that several are told apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn

from ..words.signature import settings
from ..words.wording import worded
from .averages import AVERAGES
from .recipe import Recipe


def recipe_name(recipe: Recipe) -> str:
    """A recipe as one line: its name where it is made of others, else what it is in full."""
    return recipe.entry.name if getattr(recipe, "parts", ()) else recipe_in_full(recipe)


def recipe_in_full(recipe: Recipe) -> str:
    """The method, then whatever is not as usual."""
    settings = ",".join(f"{key}={word(value)}" for key, value in recipe.settings)
    method = recipe.entry.name + (f":{settings}" if settings else "")
    others = [f for f in fields(recipe) if f.name not in ("method", "settings")]
    said = [f"{f.name}={word(getattr(recipe, f.name))}" for f in others if getattr(recipe, f.name) != f.default]
    return " ".join([method, *said])


def told_apart(recipes: Sequence[Recipe]) -> list[str]:
    """A name for each recipe, no two alike.

    It is the method's name; where several share it, what they differ in and is not as usual follows, as in
    `layer_cam layers=layer3 fuse=maximum`; what is still alike is counted: `<lambda>`, `<lambda>-2`.
    """
    names = [recipe.entry.name for recipe in recipes]
    shared = {name for name, count in Counter(names).items() if count > 1}
    for name in shared:
        alike = [recipe for recipe in recipes if recipe.entry.name == name]
        said = [unusual(recipe) for recipe in alike]
        differing = [key for key in dict.fromkeys(key for one in said for key in one) if _differ(key, said)]
        longer = iter([_joined(name, {key: one[key] for key in differing if key in one}) for one in said])
        names = [next(longer) if own == name else own for own in names]
    return counted(names)


def unusual(recipe: Recipe) -> dict[str, str]:
    """What of a recipe is not as usual, in words: `:KEY` for its settings, the names of fields for the rest."""
    usual = settings(recipe.entry.function)
    said = {f":{key}": word(value) for key, value in recipe.settings if value != usual.get(key)}
    others = [f for f in fields(recipe) if f.name not in ("method", "settings")]
    return said | {f.name: word(value, short=True) for f in others if (value := getattr(recipe, f.name)) != f.default}


def method_in_words(recipe: Recipe) -> str:
    """The method, with the settings that are not as usual: `eigen_cam:centred=True`."""
    return _joined(recipe.entry.name, {key: said for key, said in unusual(recipe).items() if key.startswith(":")})


def combined(recipe: Recipe) -> list[str]:
    """What the recipe combines, where that is not as usual: layers, views, what speaks for and against."""
    said = {} if recipe.parts else unusual(recipe)
    return [*(said[key] for key in ("fuse", "average") if key in said), *["negative"] * recipe.negative]


def counted(names: Sequence[str]) -> list[str]:
    """The names, with -2, -3 … behind those that were there before."""
    taken = set(names)
    seen: set[str] = set()
    found = []
    for name in names:
        own, count = name, 1
        while own in seen or (count > 1 and own in taken):
            count += 1
            own = f"{name}-{count}"
        seen.add(own)
        found.append(own)
    return found


def word(value: Any, *, short: bool = False) -> str:
    """A value of a recipe's field in words; short: an average as it is asked for, `noise:samples=16`."""
    if isinstance(value, Recipe):
        return f"({recipe_in_full(value)})"
    if short and type(value) in AVERAGES.values():
        return _request(value)
    if is_dataclass(value) and not isinstance(value, type):
        return repr(value)
    if isinstance(value, tuple | list):
        return "+".join(word(one, short=short) for one in value)
    return getattr(value, "__qualname__", None) or (
        type(value).__name__ if isinstance(value, nn.Module) else str(value)
    )


def _request(average: Any) -> str:
    name = next(name for name, kind in AVERAGES.items() if kind is type(average))
    given = {f.name: getattr(average, f.name) for f in fields(average) if getattr(average, f.name) != f.default}
    said = ",".join(f"{key}={worded(value)}" for key, value in given.items())
    return f"{name}:{said}" if said else name


def _differ(key: str, said: Sequence[dict[str, str]]) -> bool:
    return len({one.get(key) for one in said}) > 1


def _joined(name: str, said: dict[str, str]) -> str:
    knobs = ",".join(f"{key[1:]}={value}" for key, value in said.items() if key.startswith(":"))
    others = [f"{key}={value}" for key, value in said.items() if not key.startswith(":")]
    return " ".join([f"{name}:{knobs}" if knobs else name, *others])
