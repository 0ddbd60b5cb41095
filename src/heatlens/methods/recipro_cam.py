"""Recipro-CAM: Fast gradient-free visual explanations for convolutional neural networks.  Seok-Yong Byun, Wonju Lee.
CVPR Workshops 2024, arXiv:2209.14074.

    L(i,j) = y( A with only the place (i,j) left, every other place set to zero )

The paper's score is the class probability, and it shows the map from its lowest to its highest value.  `gaussian`
spreads what stands at (i,j) over its neighbours with the weights (1, 2, 1)/4 along every axis, as in the authors' code.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..notation import Maps, Stack
from ..registry import method


@method(display="range")
def recipro_cam(
    activations: Stack,
    score_with: Callable[[Callable[[Stack, Tensor], Stack], int], Tensor],
    *,
    gaussian: bool = False,
) -> Maps:
    size = activations.shape[2:]

    def one_place(stack: Stack, places: Tensor) -> Stack:
        places = places.to(stack.device)
        out = stack[0].flatten(1)[:, places].T.reshape(len(places), -1, *[1] * len(size))
        for axis, i in enumerate(torch.unravel_index(places, size)):
            shape = [len(places), 1, *[1] * len(size)]
            shape[2 + axis] = size[axis]
            out = out * rows(size[axis], gaussian).to(stack)[i].reshape(shape)
        return out

    return score_with(one_place, size.numel()).reshape(len(activations), *size)


def rows(length: int, gaussian: bool) -> Tensor:
    """Row i: what stays of a value at place i, and what it lends to the others."""
    alone = torch.eye(length)
    beside = torch.ones(length, length).triu(-1).tril(1) - alone
    return alone / 2 + beside / 4 if gaussian else alone
