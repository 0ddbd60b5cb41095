"""torchvision: classifiers, detectors, segmentation and video networks, with what their weights enums declare."""

from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from ...targets import Classes
from ...words.errors import unknown
from ...words.optional import require
from ..files.building import built, unavailable
from ..files.checkpoints import fill, filled, load_state, read_state
from ..subject.library import Library
from ..subject.subject import Subject
from .imagenet import with_synonyms
from .torchvision_tasks import detector_of, fitted

_AUXILIARY = ("googlenet", "inception_v3")


_TASKS = ("", ".detection", ".segmentation", ".video")


def names() -> list[str]:
    """Classifiers, then detectors, segmentation and video networks."""
    models = require("torchvision.models")
    return [name for task in _TASKS for name in models.list_models(module=require(f"torchvision.models{task}"))]


def torchvision(name: str, weights: Any = None, **arguments: Any) -> Subject:
    """weights: None (the enum's default), an enum name such as `IMAGENET1K_V2`, a file, or "none" (random)."""
    models = require("torchvision.models")
    if name not in names():
        raise unknown("torchvision model", name, names(), "heatlens models torchvision")
    choices = models.get_model_weights(name)
    entry = _entry(choices, weights, name)
    if entry is None and "weights_backbone" in signature(models.get_model_builder(name)).parameters:
        arguments = {"weights_backbone": None, **arguments}  # else its own weights are downloaded
    if entry is not None:
        _download(entry, name)
        model = built(lambda: models.get_model(name, weights=entry, **arguments), f"torchvision/{name}", arguments)
    elif name in _AUXILIARY:
        model = _with_auxiliary_heads(models, name, weights, arguments)
    else:
        model = built(lambda: models.get_model(name, weights=None, **arguments), f"torchvision/{name}", arguments)
        if weights != "none":
            load_state(model, weights)
    declared = entry or choices.DEFAULT
    categories = declared.meta.get("categories", ()) if _same_classes(declared, arguments) else ()
    return fitted(f"torchvision/{name}", model, declared.transforms(), with_synonyms(Classes(tuple(categories))))


def _entry(choices: Any, weights: Any, name: str) -> Any:
    """The enum entry that is meant by None, its name (`ResNet50_Weights.` may stand in front) or itself, if any."""
    if weights is None:
        return choices.DEFAULT
    said = str(weights)
    entry = choices.__members__.get(said.rpartition(".")[2])
    if entry is not None and said in (entry.name, str(entry), "DEFAULT", f"{choices.__name__}.DEFAULT"):
        return entry
    if said == "none" or Path(said).suffix or Path(said).exists():
        return None
    raise unknown("weights", said, ["none", *choices.__members__], owner=f"torchvision/{name}")


def _download(entry: Any, name: str) -> None:
    """The enum's file, in torchvision's own cache; it must hold tensors only."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(entry.url).path).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(entry.url, str(file), file.stem.rpartition("-")[2])
        except (OSError, RuntimeError) as error:  # no network; not the bytes that were announced
            raise unavailable(f"torchvision/{name}", error) from None
    read_state(file)


def _with_auxiliary_heads(models: Any, name: str, weights: Any, arguments: dict[str, Any]) -> nn.Module:
    """GoogLeNet and Inception: with the heads that the file has; published weights expect `transform_input`."""
    state = {} if weights == "none" else read_state(weights)
    heads = any(key.startswith(("aux", "AuxLogits", "module.aux", "module.AuxLogits")) for key in state)
    given = {"aux_logits": heads, "init_weights": not state, "transform_input": bool(state), **arguments}
    model: nn.Module = built(lambda: models.get_model(name, weights=None, **given), f"torchvision/{name}", arguments)
    if state:
        fill(model, state, Path(weights).name)
    return model


def _same_classes(declared: Any, arguments: dict[str, Any]) -> bool:
    return arguments.get("num_classes") in (None, len(declared.meta.get("categories", ())))


TORCHVISION = Library("torchvision", torchvision, names, detector_of, fill=filled, bare=True)
