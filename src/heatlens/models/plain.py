"""Any `nn.Module`, in eval mode or not, wrapped or not."""

from torch import nn

from .layouts import Reading
from .subject import Subject


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, `DataParallel` or DDP; hooks belong there."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def plain(model: nn.Module, name: str = "") -> Subject:
    """A subject with nothing declared: ImageNet preprocessing is assumed, and said so."""
    model = unwrapped(model)
    return Subject(
        name or type(model).__name__,
        model,
        reading=Reading(patch=patch_stride(model), measured=True),
        assumed=("preprocessing: 224x224, ImageNet mean and std",),
    )


def patch_stride(model: nn.Module) -> tuple[int, ...] | None:
    """The stride of a convolution that cuts the image into patches, where there is one."""
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            stride = tuple(int(step) for step in module.stride)
            return stride if stride == tuple(module.kernel_size) and min(stride[-2:]) >= 4 else None
    return None
