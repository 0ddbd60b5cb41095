"""ViT-Recipro-CAM: ViT-ReciproCAM: Gradient and Attention-Free Visual Explanations for Vision Transformer.  Seok-Yong
Byun, Wonju Lee.  2023, arXiv:2310.02588.

    L(i,j) = y( A with the prefix tokens as they are, the places around (i,j) weighted, every other place zero )

The weights are (1, 2, 1)/4 along every axis; `gaussian=no` leaves (i,j) alone.  In the authors' code every neighbour
keeps its own value under its weight, unlike in their Recipro-CAM for convolutional networks, where the value at (i,j)
is lent to its neighbours.  A is the first norm of a late block: of the last but one in that code, of the last where
nobody names a layer here.  y is the class's softmax probability, as in the paper.
"""

import torch
from torch import Tensor

from ..words.notation import Maps, Stack
from ..words.signature import method
from .recipro_cam import rows
from .shared.masking import ScoreWith, Scoring


@method(display="range")
def vit_recipro_cam(
    activations: Stack,
    score_with: ScoreWith,
    *,
    gaussian: bool = True,
    score: Scoring = "probability",
) -> Maps:
    size = activations.shape[2:]

    def around(stack: Stack, places: Tensor) -> Stack:
        out = stack
        for axis, i in enumerate(torch.unravel_index(places.to(stack.device), size)):
            shape = [len(places), 1, *[1] * len(size)]
            shape[2 + axis] = size[axis]
            out = out * rows(size[axis], gaussian).to(stack)[i].reshape(shape)
        return out

    y = score_with(around, size.numel(), probability=score == "probability")
    return y.reshape(len(activations), *size)
