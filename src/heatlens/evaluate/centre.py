"""The centre baseline: what a map must beat.  Choe et al., CVPR 2020, arXiv:2001.07437, Sec. 5.

    L(p) = exp( -|p - m|^2 / 2 sigma^2 ),   p in [-1, 1] on each axis, m = 0

Photographers put things in the middle.  A single peak makes the level sets ellipses in the photo's proportions; their
sizes pass through all values whatever sigma is, so sigma matters only to metrics that look at the map's values.
"""

import torch
from torch import Tensor

from ..notation import Maps


def centre(images: Tensor, *, sigma: float = 0.5) -> Maps:
    """A Gaussian around the middle of every image."""
    square = torch.zeros(images.shape[2:], dtype=torch.float32, device=images.device)
    for axis, side in enumerate(images.shape[2:]):
        p = (2 * torch.arange(side, device=images.device) + 1 - side) / side  # whole numbers: exactly symmetric
        square = square + (p**2).reshape([-1 if a == axis else 1 for a in range(square.ndim)])
    return torch.exp(-square / (2 * sigma**2)).expand(len(images), *square.shape)
