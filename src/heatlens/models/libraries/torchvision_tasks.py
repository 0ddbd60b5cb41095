"""What torchvision's networks of each task look at, and what of their answers is explained."""

from dataclasses import replace
from typing import Any

from torch import nn

from ...images import Preprocessing
from ...targets import Box, Classes, Region
from ..reading.layouts import Reading
from ..reading.padding import Padding
from ..subject.plain import patch_stride
from ..subject.subject import Subject

_BACKGROUND = "__background__"


def fitted(name: str, model: nn.Module, transforms: Any, classes: Classes) -> Subject:
    """The subject of a torchvision network, by the preset that its weights declare."""
    kind = type(transforms).__name__
    task = {"ObjectDetection": _detector, "SemanticSegmentation": _segmentation, "VideoClassification": _video}
    return task.get(kind, _classifier)(Subject(name, model, classes=classes), transforms)


def _classifier(subject: Subject, transforms: Any) -> Subject:
    """A network built for one size has the last word on it."""
    side = getattr(subject.model, "image_size", None) or transforms.crop_size[0]
    shown = Preprocessing(
        size=(side, side),
        resize="crop",
        shorter_side=round(transforms.resize_size[0] * side / transforms.crop_size[0]),
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
    return replace(subject, preprocessing=shown, reading=Reading(patch=patch_stride(subject.model)))


def detector_of(model: Any) -> Subject | None:
    """One of torchvision's detectors that somebody built, or one derived from them."""
    if not any(kind.__module__.startswith("torchvision.models.detection") for kind in type(model).__mro__):
        return None
    return _detector(Subject(type(model).__name__, model), None)


def _detector(subject: Subject, transforms: Any) -> Subject:
    """It resizes, normalises and pads by itself, so it is given the photo's own pixels in [0, 1]."""
    inside: Any = subject.model.transform
    shown = Preprocessing(size=(256, 320), mean=(0.0,) * 3, std=(1.0,) * 3)
    pads = inside.fixed_size is None
    padding = Padding(inside.min_size[-1], inside.max_size, inside.size_divisible) if pads else None
    layers = _pyramid(subject.model.backbone)
    return replace(
        subject, preprocessing=shown, reading=Reading(padding=padding), layers=layers, usual=Box(), any_size=True
    )


def _segmentation(subject: Subject, transforms: Any) -> Subject:
    """The shorter side as declared, nothing cut away; the layer is the last of the backbone."""
    shown = Preprocessing(
        size=(transforms.resize_size[0],) * 2,
        shorter_side=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )
    backbone: Any = subject.model.backbone
    last = next(layer for layer, name in backbone.return_layers.items() if name in ("out", "high"))
    background = 0 if subject.classes.names[:1] == (_BACKGROUND,) else None
    usual = Region(background=background)
    return replace(subject, preprocessing=shown, layers=(f"backbone.{last}",), usual=usual, any_size=True)


def _video(subject: Subject, transforms: Any) -> Subject:
    """Clips (n, 3, frames, h, w)."""
    shown = Preprocessing(
        size=tuple(transforms.crop_size),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
    )
    start = getattr(subject.model, "conv_proj", None)
    patch = tuple(int(step) for step in start.stride) if isinstance(start, nn.Conv3d) else None
    return replace(subject, preprocessing=shown, reading=Reading(patch=patch), frames=16)


def _pyramid(backbone: Any) -> tuple[str, ...]:
    """The levels that a detector reads its boxes off, fine to coarse; not SSD's last, which is a single place.

    Of a backbone of one's own none are known.
    """
    if not hasattr(backbone, "fpn") and not (hasattr(backbone, "features") and hasattr(backbone, "extra")):
        return ()
    if hasattr(backbone, "fpn"):
        levels = [f"fpn.layer_blocks.{i}" for i in range(len(backbone.fpn.layer_blocks))]
        levels += [f"fpn.extra_blocks.{name}" for name, _ in backbone.fpn.extra_blocks.named_children()]
    else:
        parts = isinstance(backbone.features[0], nn.Sequential)  # SSDlite's features are two levels
        levels = [f"features.{i}" for i in range(len(backbone.features))] if parts else ["features"]
        levels += [f"extra.{i}" for i in range(len(backbone.extra) - 1)]
    return tuple(f"backbone.{level}" for level in levels)
