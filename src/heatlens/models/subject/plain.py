"""Any `nn.Module`, in eval mode or not, wrapped or not."""

from dataclasses import replace
from typing import Any

from torch import nn

from ...images import Preprocessing
from ...targets import classes_of
from ..reading.layouts import Reading
from .subject import Subject
from .volumes import ASSUMED, volumes_of


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, `DataParallel`, DDP, or what trains it (Ultralytics' YOLO)."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if inner is None and _has_kind(model, "ultralytics.engine.model"):
            inner = getattr(model, "model", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def plain(model: nn.Module, name: str = "") -> Subject:
    """A subject with nothing declared: ImageNet preprocessing is assumed, and said so."""
    model = unwrapped(model)
    volumes = volumes_of(model)
    subject = Subject(
        name or type(model).__name__,
        model,
        reading=Reading(patch=patch_stride(model), measured=True),
        volumes=volumes,
        assumed=(ASSUMED if volumes else "preprocessing: 224x224, ImageNet mean and std",),
    )
    if _has_kind(model, "ultralytics.nn.tasks") and isinstance(getattr(model, "names", None), dict):
        return _of_ultralytics(subject, model.names)
    return subject


def _of_ultralytics(subject: Subject, names: Any) -> Subject:
    """Shown pixels from 0 to 1, as its own predictors show them; its classifiers' classes have names."""
    shown = Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3)
    classifies = "Classification" in type(subject.model).__name__
    classes = classes_of(names) if classifies else subject.classes
    return replace(
        subject, preprocessing=shown, classes=classes, assumed=("preprocessing: 224x224, pixels from 0 to 1",)
    )


def _has_kind(model: nn.Module, room: str) -> bool:
    return any(kind.__module__ == room for kind in type(model).__mro__)


def patch_stride(model: nn.Module) -> tuple[int, ...] | None:
    """The stride of a convolution that cuts the image into patches, where there is one."""
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            stride = tuple(int(step) for step in module.stride)
            return stride if stride == tuple(module.kernel_size) and min(stride[-2:]) >= 4 else None
    return None
