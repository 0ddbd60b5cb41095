"""Recipro-CAM: Fast gradient-free visual explanations for convolutional neural networks.  Seok-Yong Byun, Wonju Lee.
CVPR Workshops 2024, arXiv:2209.14074.

    L(i,j) = y( A with only the place (i,j) left, every other place set to zero )

y is the class's softmax probability, as in the paper and the authors' code, and the map is shown from its lowest to its
highest value.  `gaussian` spreads what stands at (i,j) over its neighbours with the weights (1, 2, 1)/4 along every
axis, as in that code.
"""

import torch
from torch import Tensor

from ..words.notation import Maps, Stack
from ..words.signature import method
from .shared.masking import ScoreWith, Scoring


@method(display="range")
def recipro_cam(
    activations: Stack,
    score_with: ScoreWith,
    *,
    gaussian: bool = False,
    score: Scoring = "probability",
) -> Maps:
    size = activations.shape[2:]

    def one_place(stack: Stack, places: Tensor) -> Stack:
        places = places.to(stack.device)
        out = stack.flatten(2).take_along_dim(places[:, None, None], 2).reshape(len(places), -1, *[1] * len(size))
        for axis, i in enumerate(torch.unravel_index(places, size)):
            shape = [len(places), 1, *[1] * len(size)]
            shape[2 + axis] = size[axis]
            out = out * rows(size[axis], gaussian).to(stack)[i].reshape(shape)
        return out

    y = score_with(one_place, size.numel(), probability=score == "probability")
    return y.reshape(len(activations), *size)


def rows(length: int, gaussian: bool) -> Tensor:
    """Row i: what stays of a value at place i, and what it lends to the others."""
    alone = torch.eye(length)
    beside = torch.ones(length, length).triu(-1).tril(1) - alone
    return alone / 2 + beside / 4 if gaussian else alone
