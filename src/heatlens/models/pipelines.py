"""MMPretrain's test pipelines and data preprocessors -> Preprocessing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from ..images import Preprocessing

_INTERPOLATION = {"area": "box"}
"""OpenCV's names that Pillow spells otherwise."""


def preprocessing_of(model: nn.Module, config: Any) -> tuple[Preprocessing, tuple[str, ...]]:
    """What the model expects of a photo, and what of it had to be assumed (a module without its config)."""
    side = _side(model)
    found = start = replace(_units(model), size=(side, side), shorter_side=round(side * 256 / 224))
    for step in _steps(config):
        found = _after(found, step, str(step.get("type")).rpartition(".")[2].rpartition("/")[2])
    return found, () if found is not start else (f"size: the centre {side}x{side} of a photo; no config says another",)


def _steps(config: Any) -> list[Mapping[str, Any]]:
    if config is None:
        return []
    loader = config.get("test_dataloader") or {}
    return list((loader.get("dataset") or {}).get("pipeline") or config.get("test_pipeline") or [])


def _units(model: nn.Module) -> Preprocessing:
    """Mean and standard deviation in 0 to 255, in the order of channels that the network takes."""
    declared: Any = getattr(model, "data_preprocessor", None)
    mean = _numbers(declared, "mean") or (0.0, 0.0, 0.0)
    std = _numbers(declared, "std") or (1.0,) * len(mean)
    channels: Any = "L" if len(mean) == 1 else "RGB" if getattr(declared, "to_rgb", False) else "BGR"
    return Preprocessing(mean=mean, std=std, scale=1.0, channels=channels)


def _numbers(declared: Any, name: str) -> tuple[float, ...]:
    tensor = getattr(declared, name, None)
    return () if tensor is None else tuple(float(x) for x in tensor.flatten())


def _side(model: nn.Module) -> int:
    size = getattr(getattr(model, "backbone", None), "img_size", None)
    return int(size[0] if isinstance(size, tuple | list) else size or 224)


def _after(found: Preprocessing, step: Mapping[str, Any], kind: str) -> Preprocessing:
    """The preprocessing with one more step of the pipeline."""
    if kind == "ResizeEdge":
        side = int(step["scale"])
        return replace(found, resize="crop", shorter_side=side, size=(side, side), **_how(step))
    if kind == "Resize":
        width, height = _pair(step["scale"])
        shape = "pad" if step.get("keep_ratio") else "squash"
        return replace(found, resize=shape, shorter_side=None, size=(height, width), **_how(step))  # type: ignore[arg-type]
    if kind == "CenterCrop" and not step.get("efficientnet_style"):
        width, height = _pair(step["crop_size"])
        return replace(found, size=(height, width), shorter_side=found.before_cut)
    if kind in ("CenterCrop", "EfficientNetCenterCrop"):  # cuts first and then resizes, which shows the same
        side = int(step["crop_size"])
        how = _how({"interpolation": "bicubic", **step})
        return replace(found, resize="crop", size=(side, side), shorter_side=side + step.get("crop_padding", 32), **how)
    return found


def _how(step: Mapping[str, Any]) -> dict[str, Any]:
    """Interpolation, and whether the backend weighs every pixel; MMCV resizes by OpenCV unless told otherwise."""
    named = step.get("interpolation", "bilinear")
    return {
        "interpolation": _INTERPOLATION.get(named, named),
        "antialias": step.get("backend", "cv2") == "pillow",
    }


def _pair(size: Any) -> tuple[int, int]:
    """(width, height) as MMCV says them."""
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
