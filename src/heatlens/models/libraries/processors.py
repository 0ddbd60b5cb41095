"""The preprocessing that an image processor of transformers declares."""

from typing import Any

from PIL import Image

from ...images import Preprocessing
from ...images.geometry import Size

_NO_CUT = 384
"""ConvNeXt's processor cuts nothing away from this size on."""


def preprocessing_of(processor: Any) -> Preprocessing:
    """Size, cut, interpolation, scale, mean and standard deviation, each as far as it is switched on."""
    said: dict[str, Any] = processor.to_dict()
    resize, shorter, size = _fit(type(processor).__name__, said)
    normal = bool(said.get("do_normalize"))
    mean = tuple(said["image_mean"]) if normal else (0.0, 0.0, 0.0)
    offset = 1.0 if said.get("rescale_offset") else 0.0
    power = 2 if said.get("include_top") else 1  # EfficientNet's divides by it once more
    return Preprocessing(
        size=size,
        resize=resize,  # type: ignore[arg-type]
        shorter_side=shorter,
        interpolation=_interpolation(said.get("resample")),  # type: ignore[arg-type]
        mean=tuple(float(m) + offset for m in mean),
        std=tuple(float(s) ** power for s in said["image_std"]) if normal else (1.0, 1.0, 1.0),
        scale=float(said["rescale_factor"]) if said.get("do_rescale", True) else 1.0,
        channels="BGR" if said.get("do_flip_channel_order") else "RGB",
    )


def _fit(kind: str, said: dict[str, Any]) -> tuple[str, int | Size | None, Size]:
    """How the photo is fitted, its size before the cut, and after it."""
    size, share = dict(said.get("size") or {}), said.get("crop_pct")
    cut = _sides(dict(said["crop_size"])) if said.get("do_center_crop") and said.get("crop_size") else None
    edge = size.get("shortest_edge")
    if edge is None:
        before = _sides(size) if said.get("do_resize", True) and size else cut or (224, 224)
        return "squash", before, cut or before
    edge = int(edge)
    if share is not None and cut is None:
        return ("crop", int(edge / share), (edge, edge)) if edge < _NO_CUT else ("squash", None, (edge, edge))
    if kind.startswith("Levit"):
        edge = int(256 / 224 * edge)
    return "crop", int(edge / share) if share is not None else edge, cut or (edge, edge)


def _sides(size: dict[str, Any]) -> Size:
    if size.get("height") and size.get("width"):
        return int(size["height"]), int(size["width"])
    side = int(next(value for value in size.values() if value))
    return side, side


def _interpolation(resample: Any) -> str:
    return "bilinear" if resample is None else Image.Resampling(int(resample)).name.lower()
