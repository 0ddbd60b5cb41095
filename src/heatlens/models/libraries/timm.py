"""timm: any model that carries a `pretrained_cfg`."""

from typing import Any

from torch import nn

from ...images import Preprocessing
from ...targets import Classes, Logit, Similarity
from ...words.errors import ModelUnavailable, unknown
from ...words.optional import require
from ..files.building import built, unavailable
from ..files.checkpoints import filled, load_state
from ..reading.layouts import Reading
from ..subject.library import Library
from ..subject.subject import Subject
from .hub import check_reachable
from .imagenet import imagenet_classes

_RESIZE = {"center": "crop", "squash": "squash", "border": "pad"}


_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


_ANY_SIZE = ("timm.models.vision_transformer", "timm.models.deit")


def names() -> list[str]:
    """Every architecture."""
    return list(require("timm").list_models())


def timm(name: str, weights: Any = None, **arguments: Any) -> Subject:
    """weights: None (the hub's), a file, or "none" (random); `name` may carry a tag (`resnet50.a1_in1k`)."""
    library = require("timm")
    architecture = name.partition(".")[0]
    if not name.startswith("hf_hub:") and not library.is_model(architecture):
        raise unknown("timm model", architecture, names(), "heatlens models timm")
    if weights is None:
        _check_published(library, name)
    model = _created(library, name, weights is None, arguments)
    if weights not in (None, "none"):
        load_state(model, weights)
    return from_module(model, _called(name))


def from_module(model: nn.Module, name: str = "") -> Subject:
    """A subject of a timm module, by what it declares."""
    config: dict[str, Any] = dict(model.pretrained_cfg)  # type: ignore[arg-type]
    count = 0 if _headless(model) else getattr(model, "num_classes", 0)
    prefix = getattr(model, "num_prefix_tokens", None)
    return Subject(
        name or f"timm/{config.get('architecture', type(model).__name__)}",
        model,
        _preprocessing(model, config),
        imagenet_classes() if count == 1000 else Classes(),
        Reading(prefix_tokens=prefix, patch=_patch(model), head=count != 0),
        usual=Logit() if count != 0 else Similarity(),
    )


def _headless(model: Any) -> bool:
    """Whether somebody took the classifier away."""
    try:
        return isinstance(model.get_classifier(), nn.Identity)
    except (AttributeError, TypeError):
        return False


def _created(library: Any, name: str, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    try:
        model: nn.Module = built(
            lambda: library.create_model(name, pretrained=pretrained, **_any_size(library, name, arguments)),
            _called(name),
            arguments,
        )
    except OSError as error:  # of the hub, of the network, of the disk
        raise unavailable(_called(name), error) from None
    return model


def _any_size(library: Any, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Plain vision transformers are built so that they take pictures of other sizes too, as convolutions do."""
    architecture = name.partition(".")[0]
    if name.startswith("hf_hub:") or library.model_entrypoint(architecture).__module__ not in _ANY_SIZE:
        return arguments
    return {"dynamic_img_size": True, **arguments}


def _called(name: str) -> str:
    return name if name.startswith("hf_hub:") else f"timm/{name}"


def _check_published(library: Any, name: str) -> None:
    """That the weights exist and are near, before the hub's client tries for a minute to reach them."""
    if name.startswith("hf_hub:"):
        check_reachable(_called(name), name.removeprefix("hf_hub:").partition("@")[0], _HUB_FILES)
        return
    architecture, dot, tag = name.partition(".")
    if dot and name not in (tags := library.list_pretrained(f"{architecture}.*")):
        raise unknown("weights", tag, [t.partition(".")[2] for t in tags], owner=f"timm/{architecture}")
    config = library.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise ModelUnavailable(
            f"nobody has published weights for timm/{name}", "weights=FILE", 'or weights="none" for random weights'
        )
    if config.hf_hub_id:
        check_reachable(_called(name), config.hf_hub_id, _HUB_FILES)


def _preprocessing(model: nn.Module, config: dict[str, Any]) -> Preprocessing:
    data = require("timm.data").resolve_data_config({}, model=model)
    height, width = _built_for(model) or data["input_size"][1:]
    resize = _RESIZE.get(data.get("crop_mode") or "center", "crop")
    cut = int(height / data["crop_pct"]), int(width / data["crop_pct"])
    return Preprocessing(
        size=(height, width),
        resize=resize,  # type: ignore[arg-type]
        shorter_side=cut[0] if height == width else cut,
        interpolation=data["interpolation"] if data["interpolation"] != "random" else "bilinear",
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
    )


def _built_for(model: nn.Module) -> tuple[int, int] | None:
    """The size that a transformer was built for (`img_size=…`)."""
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    return (int(size[0]), int(size[1])) if isinstance(size, tuple | list) else None


def _patch(model: nn.Module) -> tuple[int, ...] | None:
    embed = getattr(model, "patch_embed", None)
    size = getattr(embed, "patch_size", None)
    return tuple(int(side) for side in size) if isinstance(size, tuple | list) else None


def _wrapped(model: Any) -> Subject | None:
    made_here = type(model).__module__.startswith("timm.") and getattr(model, "pretrained_cfg", None)
    return from_module(model) if made_here else None


TIMM = Library("timm", timm, names, _wrapped, fill=filled, bare=True)
