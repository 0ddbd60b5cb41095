"""heatlens: see where a vision model looks.

    >>> import heatlens
    >>> explanation = heatlens.explain("bundled", "cat.jpg", method="layer_cam")   # doctest: +SKIP
    >>> explanation.save("cat-explained.png")                                     # doctest: +SKIP

`import heatlens` loads neither torch nor any optional package: names are fetched when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import HeatlensError

if TYPE_CHECKING:
    from .ask import attribute, explain
    from .batches import FailedPhoto
    from .composing import compose
    from .describing import Description, describe
    from .explanation import Explanation
    from .grouping import Elbow, elbow
    from .guiding import Guided, guided
    from .judge import measure
    from .metrics.truth import Truth
    from .models import Subject, cam_head, load
    from .recipe import Recipe
    from .segmenting import Superpixels, superpixels

    def methods() -> list[str]:
        """The names of all methods; at run time the package of that name answers the call."""


__version__ = "0.1.0"

_HOME = {
    "Description": "describing",
    "Elbow": "grouping",
    "Explanation": "explanation",
    "FailedPhoto": "batches",
    "Guided": "guiding",
    "Recipe": "recipe",
    "Subject": "models",
    "Superpixels": "segmenting",
    "Truth": "metrics.truth",
    "attribute": "ask",
    "cam_head": "models",
    "compose": "composing",
    "describe": "describing",
    "elbow": "grouping",
    "explain": "ask",
    "guided": "guiding",
    "load": "models",
    "measure": "judge",
    "superpixels": "segmenting",
}

__all__ = [
    "Description",
    "Elbow",
    "Explanation",
    "FailedPhoto",
    "Guided",
    "HeatlensError",
    "Recipe",
    "Subject",
    "Superpixels",
    "Truth",
    "attribute",
    "cam_head",
    "compose",
    "describe",
    "elbow",
    "explain",
    "guided",
    "load",
    "measure",
    "methods",
    "superpixels",
]


def __getattr__(name: str) -> Any:
    if name in ("methods", "targets"):
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
