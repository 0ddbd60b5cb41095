"""FullGrad: Full-Gradient Representation for Neural Network Visualization.  Suraj Srinivas, Francois Fleuret.  NeurIPS
2019, arXiv:1905.00780.

    y = sum X * dy/dX + sum_l sum b_l * dy/dz_l          (complete, for networks of ReLUs)
    L = sum_k psi(X * dy/dX) + sum_l sum_k psi(b_l * dy/dz_l),   psi(m) = U( MM(|m|) )

b_l is the bias of layer l, for a batch norm its effective one.  As in the authors' code MM, from 0 to 1, is over all
channels and places of a layer together, U aligns the corners, and the biases of linear layers, which have no place,
are left out of the map; here those of tokens as well.  No layer is chosen: the map is of the whole network, at the size
of the image.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..words.cautions import restless_slopes
from ..words.notation import Maps, Stack, resize, unit_range
from ..words.signature import method


@method(caution=restless_slopes)
def full_grad(images: Tensor, full_gradients: Callable[[], list[Stack]]) -> Maps:
    return aggregated(full_gradients(), images)


def aggregated(terms: list[Stack], images: Tensor) -> Maps:
    """sum over all terms with places, and over their channels, of psi: (n, *size)."""
    size = tuple(images.shape[2:])
    there = [term for term in terms if term.ndim == images.ndim]
    summed = [unit_range(m.abs(), 1).sum(1, keepdim=True) for m in there]  # U is linear: it may follow the sum
    return torch.stack([resize(m, size, align_corners=True).squeeze(1) for m in summed]).sum(0)
