"""Networks that look at volumes (MRI, CT): what they are shown, by what a person says or by the volume itself."""

from dataclasses import dataclass, replace
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from ...images import Volume
from ...words.errors import BadValue
from ...words.notation import resize

ASSUMED = "preprocessing: each volume at its own size, to mean 0 and standard deviation 1"


@dataclass(frozen=True)
class Intensities:
    """What a network expects of a volume."""

    size: tuple[int, int, int] | None = None
    """(depth, height, width) of the input; None: the volume's own."""
    mean: float | None = None
    """Subtracted from the voxels; None: the volume's own mean."""
    std: float | None = None
    """Divided by; None: the volume's own standard deviation."""


def volumes_of(model: nn.Module) -> Intensities | None:
    """What a network is shown whose first convolution has three dimensions; None of any other."""
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d
    first = next((module for module in model.modules() if isinstance(module, kinds)), None)
    return Intensities() if isinstance(first, nn.Conv3d) else None


def shown_volume(volume: Volume, how: Intensities, model: nn.Module) -> Tensor:
    """(1, channels, d, h, w) float32."""
    wanted = channels_of(model)
    if volume.voxels.shape[0] != wanted:
        raise BadValue(
            f"a volume of {volume.voxels.shape[0]} channel(s) for {type(model).__name__}, which takes {wanted}",
            f"an array ({wanted}, depth, height, width)" if wanted > 1 else "an array (depth, height, width)",
        )
    voxels = torch.from_numpy(volume.voxels.copy())[None]
    mean = voxels.mean() if how.mean is None else how.mean
    std = voxels.std(correction=0) if how.std is None else how.std
    normal: Tensor = (voxels - mean) / (std if bool(torch.as_tensor(std) != 0) else 1)
    return normal if how.size is None else resize(normal, how.size)


def channels_of(model: nn.Module) -> int:
    """That its first convolution takes."""
    return next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv3d)), 1)


def intensities_said(given: dict[str, Any], declared: Intensities) -> Intensities:
    """What a person says about them: size=(d, h, w) or one number, mean, std."""
    try:
        said: dict[str, Any] = {key: float(given[key]) for key in ("mean", "std") if key in given}
        if "size" in given:
            size = given["size"]
            sides = (index(size),) * 3 if isinstance(size, int) else tuple(index(side) for side in size)
            if len(sides) != 3 or min(sides) < 1:
                raise TypeError
            said["size"] = sides
    except (TypeError, ValueError):
        shown = {key: given[key] for key in ("size", "mean", "std") if key in given}
        raise BadValue(f"{shown} for volumes", "size=(64, 128, 128), one mean and one std") from None
    return replace(declared, **said)
