"""MMPretrain's test pipelines and data preprocessors -> Preprocessing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ....images import Preprocessing
from ....words.errors import BadValue
from ...files.building import first_line

_INTERPOLATION = {"area": "box", "hammimg": "hamming"}
"""Names that Pillow spells otherwise."""
_ONLY_LIKE = ("area", "lanczos")
"""Interpolations of OpenCV that are another formula in Pillow."""
_NOT_GEOMETRY = {
    "LoadImageFromFile", "PackInputs", "PackMultiTaskInputs", "CleanCaption", "OFAAddObjects", "ToTensor",
    "NumpyToPIL", "PILToNumpy", "ToPILImage",
}  # fmt: skip
"""Steps that move no pixel."""
_PICTURES = {"CIFAR10": 32, "CIFAR100": 32, "MNIST": 28, "FashionMNIST": 28}
"""Sides of the pictures of data sets whose pipelines never resize."""


@dataclass(frozen=True)
class Shown:
    """What a model is shown, as far as its config says."""

    preprocessing: Preprocessing
    any_size: bool = False
    """Whether photos keep their proportions, and nothing is cut away."""
    assumed: tuple[str, ...] = ()
    """What nobody declared and was taken for granted."""
    remarks: tuple[str, ...] = ()
    """Steps that are not followed."""


def shown_by(model: nn.Module, config: Any) -> Shown:
    """What a model expects of a photo, and what of it had to be assumed.  Raises BadValue for a damaged pipeline."""
    side = _side(model)
    start = replace(_units(model), size=(side, side), shorter_side=round(side * 256 / 224))
    steps = _steps(config)
    found = Shown(start)
    for step in steps:
        try:
            found = _after(found, step, named(step.get("type")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            said = f"the step {step!r} of the config's test pipeline cannot be followed: {first_line(error)}"
            raise BadValue(said, "a transform of MMPretrain with its arguments") from error
    if found.preprocessing is not start or found.any_size:
        return found
    return replace(found, **_unsized(start, side, steps, config))


def named(kind: Any) -> str:
    """What a type is called, whether a config says its name or the class itself: without library and scope."""
    text = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    return text.rpartition(".")[2].rpartition("/")[2]


def _unsized(start: Preprocessing, side: int, steps: list[Mapping[str, Any]], config: Any) -> dict[str, Any]:
    """Where no step says a size: the data set's own, the photo's where it is loaded as it is, else the usual."""
    kind = named(_dataset(config).get("type")) if config is not None else ""
    if kind in _PICTURES:
        own = _PICTURES[kind]
        small = replace(start, resize="squash", size=(own, own), shorter_side=None)
        return {"preprocessing": small, "assumed": (f"size: {own}x{own}, that of {kind}'s pictures",)}
    if any(named(step.get("type")) == "LoadImageFromFile" for step in steps):
        return {"preprocessing": replace(start, shorter_side=None), "any_size": True}
    return {"assumed": (f"size: the centre {side}x{side} of a photo; no config says another",)}


def _steps(config: Any) -> list[Mapping[str, Any]]:
    """The pipeline of the test; what it does to each of several photos is done to one."""
    said = [] if config is None else _dataset(config).get("pipeline") or config.get("test_pipeline") or []
    return [inner for step in said for inner in (step.get("transforms") or [step])]


def _dataset(config: Any) -> Mapping[str, Any]:
    """What is tested on; the one inside where another is wrapped around it."""
    found: Any = (config.get("test_dataloader") or {}).get("dataset") or {}
    while not found.get("pipeline") and found.get("dataset"):
        found = found["dataset"]
    return found  # type: ignore[no-any-return]


def _units(model: nn.Module) -> Preprocessing:
    """Mean and standard deviation in 0 to 255, in the order of channels that the network takes."""
    declared: Any = getattr(model, "data_preprocessor", None)
    mean = _numbers(declared, "mean") or (0.0, 0.0, 0.0)
    std = _numbers(declared, "std") or (1.0,) * len(mean)
    channels: Any = "L" if len(mean) == 1 else "RGB" if getattr(declared, "to_rgb", False) else "BGR"
    return Preprocessing(mean=mean, std=std, scale=1.0, channels=channels, transparency="dropped")


def _numbers(declared: Any, name: str) -> tuple[float, ...]:
    tensor = getattr(declared, name, None)
    return () if tensor is None else tuple(float(x) for x in tensor.flatten())


def _side(model: nn.Module) -> int:
    size = getattr(getattr(model, "backbone", None), "img_size", None)
    return int(size[0] if isinstance(size, tuple | list) else size or 224)


def _after(found: Shown, step: Mapping[str, Any], kind: str) -> Shown:
    """What is shown after one more step of the pipeline."""
    if kind in _NOT_GEOMETRY:
        return found
    if step.get("interpolation") in _ONLY_LIKE and step.get("backend", "cv2") == "cv2":
        like = f"OpenCV's {step['interpolation']} in {kind} is taken for Pillow's, which is like it"
        found = replace(found, remarks=(*found.remarks, like))
    p = found.preprocessing
    if _of_torchvision(step.get("type")):
        step = _like_mmcv(step, kind)
        kind = "ResizeEdge" if kind == "Resize" and isinstance(step.get("scale"), int) else kind
    match kind:
        case "ResizeEdge" if step.get("edge", "short") == "short":
            side = int(step["scale"])
            shown = replace(p, resize="crop", shorter_side=side, size=(side, side), cut=None, **_how(step))
            return replace(found, preprocessing=shown, any_size=True)
        case "Resize":
            width, height = _pair(step["scale"])
            fits = bool(step.get("keep_ratio"))
            shown = replace(p, size=(height, width), shorter_side=None, cut=None, **_how(step))
            return replace(found, preprocessing=replace(shown, resize="pad" if fits else "squash"), any_size=fits)
        case "CenterCrop" if not step.get("efficientnet_style"):
            return _cut(found, step)
        case "CenterCrop" | "EfficientNetCenterCrop":
            return replace(found, preprocessing=_cut_first(p, step), any_size=False)
    return _unfollowed(found, step, kind)


def _cut(found: Shown, step: Mapping[str, Any]) -> Shown:
    p = found.preprocessing
    width, height = _pair(step["crop_size"])
    if p.resize == "pad" or height > p.before_cut[0] or width > p.before_cut[1]:
        return _unfollowed(found, step, "CenterCrop")
    return replace(found, preprocessing=replace(p, size=(height, width), shorter_side=p.before_cut), any_size=False)


def _cut_first(p: Preprocessing, step: Mapping[str, Any]) -> Preprocessing:
    side = int(step["crop_size"])
    share = side / (side + step.get("crop_padding", 32))
    how = _how({"interpolation": "bicubic", **step})
    return replace(p, resize="squash", size=(side, side), shorter_side=None, cut=share, **how)


def _unfollowed(found: Shown, step: Mapping[str, Any], kind: str) -> Shown:
    said = ", ".join(f"{key}={value!r}" for key, value in step.items() if key != "type")
    remark = f"the step {kind}({said}) of the config's test pipeline is not followed"
    return replace(found, remarks=(*found.remarks, remark))


def _of_torchvision(kind: Any) -> bool:
    """MMPretrain registers its transforms as torchvision/NAME."""
    return (kind if isinstance(kind, str) else str(getattr(kind, "__module__", ""))).startswith("torchvision")


def _like_mmcv(step: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A transform of torchvision in MMCV's words: (h, w) there, (w, h) here; Pillow resizes there."""
    size = step.get("size")
    turned = size if size is None or isinstance(size, int) else tuple(size)[::-1]
    turned = turned[0] if isinstance(turned, tuple) and len(turned) == 1 else turned
    sized = {"Resize": "scale", "CenterCrop": "crop_size"}.get(kind)
    how = {"interpolation": str(step.get("interpolation", "bilinear")).lower(), "backend": "pillow"}
    return {**step, **how, **({sized: turned} if sized else {})}


def _how(step: Mapping[str, Any]) -> dict[str, Any]:
    """Interpolation, and whether the backend weighs every pixel; MMCV resizes by OpenCV unless told otherwise."""
    word = step.get("interpolation", "bilinear")
    return {
        "interpolation": _INTERPOLATION.get(word, word),
        "antialias": step.get("backend", "cv2") == "pillow",
    }


def _pair(size: Any) -> tuple[int, int]:
    """(width, height) as MMCV says them."""
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
