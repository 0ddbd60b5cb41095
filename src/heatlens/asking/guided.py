"""Guided backpropagation and Guided Grad-CAM as pictures in colour, as their papers and pytorch-grad-cam show them.

Guided Backpropagation: Springenberg et al., arXiv:1412.6806.  Guided Grad-CAM: Selvaraju et al., arXiv:1610.02391.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ..images import Photo, read_photo
from ..models import Named, Subject, subject_of
from ..words.errors import BadValue
from ..words.notation import Stack, unit_range
from ..words.signature import Method
from .attribute import attribute


@dataclass(frozen=True, eq=False)
class Guided:
    """What of every colour of every pixel speaks for the target, on the model's input."""

    photo: Photo
    gradients: NDArray[np.float32]
    """(channels, h, w): R, the gradient sent back through positive slopes only; channels as the model takes them."""
    map: NDArray[np.float32]
    """(h, w) in [0, 1]: where the method looks."""
    order: str = "RGB"
    """Of the channels."""

    def picture(self, *, alone: bool = False) -> Image.Image:
        """Guided Grad-CAM, R times the map, in colour around grey; alone: R without the map."""
        return Image.fromarray(in_colour(self.gradients if alone else self.gradients * self.map, self.order))


def guided(
    model: str | nn.Module | Subject,
    photo: Any,
    *,
    target: Any = None,
    method: str | Method = "grad_cam",
    layers: Named | None = None,
    settings: dict[str, Any] | None = None,
) -> Guided:
    """Guided backpropagation of a photo, and the map of a method beside it; grad_cam makes it Guided Grad-CAM."""
    subject, shown = subject_of(model), read_photo(photo)
    images, _ = subject.prepare(shown)
    if images.shape[1] not in (1, 3):
        raise BadValue(f"a model that takes {images.shape[1]} channels", "one that takes colours, or grey")
    where = attribute(subject, images, method=method, target=target, layers=layers, settings=settings)
    found = attribute(subject, images, method=_colours, target=target, layers=layers, upsample=False)
    return Guided(
        shown,
        found[0].cpu().numpy(),
        unit_range(where.clamp(min=0), 1)[0].cpu().numpy(),
        subject.preprocessing.channels,
    )


def in_colour(gradients: NDArray[np.float32], order: str = "RGB") -> NDArray[np.uint8]:
    """(h, w, 3) of signed values (channels, h, w): a tenth of their standard deviation around middle grey, clipped.

    As pytorch-grad-cam's deprocess_image: (x - mean) / (std + 1e-5) * 0.1 + 0.5, in [0, 1], times 255 and cut.
    """
    pixels = gradients.transpose(1, 2, 0)[..., :: -1 if order == "BGR" else 1].astype(np.float64)
    pixels = (pixels - pixels.mean()) / (pixels.std() + 1e-5) * 0.1 + 0.5
    levels = (pixels.clip(0, 1) * 255).astype(np.uint8)
    return np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else np.ascontiguousarray(levels)


def _colours(propagated: Callable[[str], Stack]) -> Tensor:
    """Guided backpropagation with a number for every colour."""
    return torch.as_tensor(propagated("guided"))
