"""timm: any model that carries a `pretrained_cfg`."""

from typing import Any

from torch import nn

from ..errors import ModelUnavailable, unknown
from ..images import Preprocessing
from ..optional import require
from ..targets import Classes
from .checkpoints import load_state
from .imagenet import imagenet_classes
from .layouts import Reading
from .subject import Subject

_RESIZE = {"center": "crop", "squash": "squash", "border": "pad"}


def names() -> list[str]:
    """Every architecture."""
    return list(require("timm").list_models())


def timm(name: str, weights: Any = None, **arguments: Any) -> Subject:
    """weights: None (the hub's), a file, or "none" (random); `name` may carry a tag (`resnet50.a1_in1k`)."""
    library = require("timm")
    architecture = name.partition(".")[0]
    if not name.startswith("hf_hub:") and not library.is_model(architecture):
        raise unknown("timm model", architecture, names(), "heatlens models timm")
    model = _created(library, name, weights is None, arguments)
    if weights not in (None, "none"):
        load_state(model, weights)
    return from_module(model, f"timm/{name}")


def from_module(model: nn.Module, name: str = "") -> Subject:
    """A subject of a timm module, by what it declares."""
    config: dict[str, Any] = dict(model.pretrained_cfg)  # type: ignore[arg-type]
    count = getattr(model, "num_classes", 0)
    prefix = getattr(model, "num_prefix_tokens", None)
    return Subject(
        name or f"timm/{config.get('architecture', type(model).__name__)}",
        model,
        _preprocessing(model, config),
        imagenet_classes() if count == 1000 else Classes(),
        Reading(prefix_tokens=prefix, patch=_patch(model)),
    )


def _created(library: Any, name: str, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    try:
        return library.create_model(name, pretrained=pretrained, **arguments)  # type: ignore[no-any-return]
    except (OSError, RuntimeError) as error:
        if not pretrained or (isinstance(error, RuntimeError) and "pretrained" not in str(error).lower()):
            raise
        raise ModelUnavailable(
            f"the weights of timm/{name} are not on this machine and could not be downloaded",
            "a network connection, or the file",
            'give weights=FILE, weights="none" for random weights, or use the model "bundled"',
        ) from None


def _preprocessing(model: nn.Module, config: dict[str, Any]) -> Preprocessing:
    data = require("timm.data").resolve_data_config({}, model=model)
    height, width = data["input_size"][1:]
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


def _patch(model: nn.Module) -> tuple[int, ...] | None:
    embed = getattr(model, "patch_embed", None)
    size = getattr(embed, "patch_size", None)
    return tuple(int(side) for side in size) if isinstance(size, tuple | list) else None
