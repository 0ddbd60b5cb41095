"""torchvision: every classification network, with what its weights enum declares."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ModelUnavailable, unknown
from ..images import Preprocessing
from ..optional import require
from ..targets import Classes
from .checkpoints import load_state
from .imagenet import with_synonyms
from .layouts import Reading
from .plain import patch_stride
from .subject import Subject


def names() -> list[str]:
    """The classification networks."""
    models = require("torchvision.models")
    return list(models.list_models(module=models))


def torchvision(name: str, weights: Any = None, **arguments: Any) -> Subject:
    """weights: None (the enum's default), an enum name such as `IMAGENET1K_V2`, a file, or "none" (random)."""
    models = require("torchvision.models")
    if name not in names():
        raise unknown("torchvision model", name, names(), "heatlens models torchvision")
    choices = models.get_model_weights(name)
    declared = _declared(choices, weights, name)
    if weights is None or (isinstance(weights, str) and weights in choices.__members__):
        model = _downloaded(lambda w: models.get_model(name, weights=w, **arguments), declared, name)
    else:
        model = models.get_model(name, weights=None, **_initialised(name, arguments))
        if weights != "none":
            load_state(model, weights)
    categories = declared.meta.get("categories", ()) if _same_classes(declared, arguments) else ()
    return Subject(
        f"torchvision/{name}",
        model,
        _preprocessing(declared.transforms()),
        with_synonyms(Classes(tuple(categories))),
        Reading(patch=patch_stride(model)),
    )


def _declared(choices: Any, weights: Any, name: str) -> Any:
    """The enum entry whose transforms and classes apply; the default's, for weights from elsewhere."""
    if weights is None or weights == "none" or Path(str(weights)).suffix:
        return choices.DEFAULT
    if weights not in choices.__members__:
        raise unknown("weights", str(weights), ["none", *choices.__members__], owner=f"torchvision/{name}")
    return choices[weights]


def _downloaded(build: Callable[[Any], Any], weights: Any, name: str) -> Any:
    try:
        return build(weights)
    except OSError:
        raise ModelUnavailable(
            f"the weights of torchvision/{name} are not on this machine and could not be downloaded from {weights.url}",
            "a network connection, or the file",
            'give weights=FILE, weights="none" for random weights, or use the model "bundled"',
        ) from None


def _initialised(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Two families spend minutes on an initialisation that a checkpoint overwrites."""
    return {"init_weights": True, **arguments} if name in ("googlenet", "inception_v3") else arguments


def _same_classes(declared: Any, arguments: dict[str, Any]) -> bool:
    return arguments.get("num_classes") in (None, len(declared.meta.get("categories", ())))


def _preprocessing(transforms: Any) -> Preprocessing:
    """From torchvision's ImageClassification preset."""
    side = transforms.crop_size[0]
    return Preprocessing(
        size=(side, side),
        resize="crop",
        shorter_side=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
