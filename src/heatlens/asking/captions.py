"""What stands above the picture of an explanation."""

import re
from collections.abc import Mapping

from ..recipes.naming import combined, method_in_words
from ..recipes.recipe import Recipe
from ..words.errors import BadValue

WORDS = ("target", "probability", "score", "method", "layers", "model", "photo")
"""What a title can have filled in."""


def caption(
    title: str | None,
    name: str,
    probability: float | None,
    score: float | None,
    recipe: Recipe,
    model: str,
    photo: str,
) -> tuple[str, str]:
    """The target with its probability, or a title with `WORDS` filled in; and how the map was made."""
    likely, value = ("" if n is None else format(n, form) for n, form in ((probability, ".1%"), (score, ".4g")))
    where = ", ".join(recipe.layers) if len(recipe.layers) < 4 else f"{len(recipe.layers)} layers"
    how = " · ".join(filter(None, [method_in_words(recipe), where, *combined(recipe)]))
    if title is None:
        return f"{name} · {likely}" if likely else name, how
    layers = ", ".join(map(str, recipe.layers))
    return titled(
        title, dict(zip(WORDS, (name, likely, value, method_in_words(recipe), layers, model, photo), strict=True))
    ), how


def titled(text: str, words: Mapping[str, str]) -> str:
    """A title with the words in braces filled in.  Raises BadValue for others."""

    def said(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise BadValue(f"{{{match[1]}}} in a title", f"one of {', '.join(f'{{{word}}}' for word in words)}")
        return words[match[1]]

    return re.sub(r"\{(\w+)\}", said, text)
