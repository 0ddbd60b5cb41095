"""Recipes that ship under a name."""

from types import MappingProxyType
from typing import Any

from ..words.errors import unknown
from ..words.listing import called
from .recipe import Recipe

_TWO, _FOUR = (f"scales:factors={sizes},mirrored=true" for sizes in ("1+1.5", "1+1.5+2+2.5"))


def _part(method: str, stage: int, average: str | None = None, *, contrast: bool = False) -> Recipe:
    return Recipe(method, layers=(f"stage:{stage}",), average=average, contrast=contrast)


RECIPES: MappingProxyType[str, Recipe] = MappingProxyType(
    {
        "fast": Recipe(
            "fast",
            fuse="geometric",
            parts=(_part("grad_cam", -1, contrast=True), _part("layer_cam", -4, contrast=True)),
        ),
        "balanced": Recipe(
            "balanced",
            fuse="geometric",
            parts=(
                _part("grad_cam", -1, _TWO, contrast=True),
                _part("layer_cam", -3, _TWO, contrast=True),
                _part("hires_cam", -3, _TWO),
                _part("layer_cam", -4, _TWO, contrast=True),
            ),
        ),
        "precise": Recipe(
            "precise",
            fuse="geometric",
            parts=(
                _part("grad_cam", -1, _FOUR),
                _part("grad_cam", -1, _FOUR, contrast=True),
                _part("layer_cam", -2, _FOUR, contrast=True),
                _part("layer_cam", -4, _FOUR, contrast=True),
            ),
        ),
    }
)
"""Recipes that were chosen by measurement, as the best for what they cost; docs/benchmark.md says by which."""


def named(method: Any) -> Any:
    """The recipe that ships under a name; anything else as it is."""
    if not isinstance(method, str):
        return method
    own = called(method, RECIPES)
    return method if own is None else RECIPES[own]


def find_recipe(name: str) -> Recipe:
    """The recipe that ships under a name; raises `UnknownName`."""
    found = named(name)
    if not isinstance(found, Recipe):
        raise unknown("recipe", name, RECIPES)
    return found
