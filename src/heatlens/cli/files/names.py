"""What the files of maps are called: another layer, setting, average or model gives another name."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...asking.explanation import Explanation

LONGEST = 150
"""Bytes of a name; what is longer is cut, and a number of its own tells it apart."""
_NO_MATTER = frozenset(
    {"photos", "out", "save", "formats", "overwrite", "cmap", "alpha", "contour", "peak", "title", "quiet"}
    | {"device", "batch_size", "compile", "class_names", "trust"}
)
"""Options that change no map."""
_IN_WORDS = frozenset(
    {"model", "method", "recipe", "target", "top", "layers", "fuse", "average", "negative", "settings"}
)
"""Options that have their place in a name."""
_FINDING = frozenset({"threshold", "pick", "refine", "min_probability"})
_USUAL = (None, (), "fp32", "largest")


class FileNames:
    """Names that begin with the photo's and hold whatever of the request is not as usual."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._layers = tuple(options["layers"])
        self._apart = options["fuse"] == "none"
        model = options["model"]
        shown = [] if model == "bundled" else [Path(model).name if Path(model).exists() else model]
        others = {key: value for key, value in options.items() if key not in _NO_MATTER | _IN_WORDS | _FINDING}
        self._model = shown + [f"{key}={_shown(value)}" for key, value in others.items() if value not in _USUAL]
        self._finding = [f"{key}={options[key]}" for key in sorted(_FINDING) if options.get(key) not in _USUAL]

    def of(self, stem: str, explanation: "Explanation") -> str:
        """Of one map; the photo, the model, the method, the layers, the target."""
        return _name([stem, *self._model, self._recipe(explanation), explanation.name])

    def with_places(self, stem: str, explanation: "Explanation") -> str:
        """Of what was found on one map."""
        return _name([stem, *self._model, self._recipe(explanation), explanation.name, *self._finding])

    def of_all(self, stem: str, explanations: "Sequence[Explanation]", kind: str) -> str:
        """Of what shows several maps of a photo."""
        first, *others = [self._words(e, self._layers) for e in explanations]
        recipes = ["+".join(dict.fromkeys(words[0] for words in (first, *others))), *first[1:]]
        targets = "+".join(dict.fromkeys(e.name for e in explanations))
        each = ["each"] if self._apart else []
        return _name([stem, *self._model, *recipes, *each, targets, *self._finding * (kind == "boxes"), kind])

    def _recipe(self, explanation: "Explanation") -> str:
        return "-".join(self._words(explanation, explanation.recipe.layers if self._apart else self._layers))

    def _words(self, explanation: "Explanation", layers: Sequence[str]) -> list[str]:
        """The method with its settings, then what methods share."""
        from ...recipes.naming import combined, method_in_words

        recipe = explanation.recipe
        if recipe.parts:
            return [recipe.entry.name]
        return [method_in_words(recipe), *(["+".join(layers)] if layers else []), *combined(recipe)]


def _shown(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "+".join(map(str, value))
    return Path(value).stem if isinstance(value, str) and Path(value).is_file() else str(value)


def _name(words: Sequence[str]) -> str:
    from ...images import safe_name

    text = "-".join(words)
    whole = safe_name(text, len(text.encode("utf-8", "replace")) + 8)
    if len(whole.encode()) <= LONGEST:
        return whole
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{safe_name(text, LONGEST - 9)}-{digest}"
