"""heatlens: see where a vision model looks.

    >>> import heatlens
    >>> explanation = heatlens.explain("bundled", "cat.jpg", method="layer_cam")   # doctest: +SKIP
    >>> explanation.save("cat-explained.png")                                     # doctest: +SKIP

`import heatlens` loads neither torch nor any optional package: names are fetched when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .words.errors import HeatlensError
from .words.version import __version__ as __version__

if TYPE_CHECKING:
    from .asking.attribute import attribute
    from .asking.batches import FailedPhoto
    from .asking.describe import Description, describe
    from .asking.elbow import Elbow, elbow
    from .asking.explain import explain
    from .asking.explanation import Explanation
    from .asking.guided import Guided, guided
    from .asking.superpixels import Superpixels, superpixels
    from .measuring.measure import measure
    from .methods.composing import compose
    from .metrics.truth import Truth
    from .models import Subject, cam_head, load
    from .recipes.recipe import Recipe

    def methods() -> list[str]:
        """The names of all methods; at run time the package of that name answers the call."""


_HOME = {
    "Description": "asking.describe",
    "Elbow": "asking.elbow",
    "Explanation": "asking.explanation",
    "FailedPhoto": "asking.batches",
    "Guided": "asking.guided",
    "Recipe": "recipes.recipe",
    "Subject": "models",
    "Superpixels": "asking.superpixels",
    "Truth": "metrics.truth",
    "attribute": "asking.attribute",
    "cam_head": "models",
    "compose": "methods.composing",
    "describe": "asking.describe",
    "elbow": "asking.elbow",
    "explain": "asking.explain",
    "guided": "asking.guided",
    "load": "models",
    "measure": "measuring.measure",
    "superpixels": "asking.superpixels",
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
