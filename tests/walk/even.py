"""Weights that know no left and right: what a random network needs to give the mirrored map for the mirrored image.

Trained networks learn it more or less; random kernels do not have it.  What is left after this is in the network's
arithmetic: strides that begin at one side, padding at one side, weights for single places.
"""

from collections.abc import Iterator
from math import isqrt

import torch
from torch import Tensor, nn

_PLACES = ("pos_embed", "position_embedding", "pos_embedding", "absolute_pos")


def make_even(model: nn.Module, columns: int = -1) -> nn.Module:
    """Kernels, position embeddings and tables of relative positions, each averaged with its own mirror image, in place.

    columns: the dimension of a kernel that runs from left to right; Keras writes (height, width, in, out), so 1.
    """
    unfolds = {f"{name}.reduction.weight" for name, m in model.named_modules() if hasattr(m, "sampler")}
    with torch.no_grad():
        for name, weights in model.named_parameters():
            for mirrored in _mirrored(name, weights, columns, name in unfolds):
                weights.copy_((weights + mirrored) / 2)
    return model


def _mirrored(name: str, weights: Tensor, columns: int, unfolds: bool) -> Iterator[Tensor]:
    """The weights as a mirror shows them; nothing where they know no left and right, or where none can be told."""
    if "relative_position_bias_table" in name and weights.ndim == 2:
        yield _grid(weights, isqrt(len(weights)), first=0)
    elif any(part in name for part in _PLACES) and weights.ndim in (2, 3):
        side = isqrt(weights.shape[-2])
        yield _grid(weights, side, first=weights.shape[-2] - side * side)
    elif any(part in name for part in _PLACES) and weights.ndim == 4 and weights.shape[1] == weights.shape[2]:
        yield weights.flip(2)
    elif name.endswith("reduction.weight") and weights.ndim == 2:  # of four neighbours, side by side
        yield _neighbours(weights, channels_first=unfolds)
    elif name.endswith(("cpb_mlp.0.weight", "cpb_mlp.fc1.weight", "bias_mlp.0.weight")):  # of (dy, dx)
        yield weights * torch.tensor([1, -1])
    elif weights.ndim >= 4:
        yield weights.flip(columns)


def _grid(weights: Tensor, side: int, first: int) -> Tensor:
    """(…, first + side * side, c) mirrored; what does not lie on the grid stays."""
    places = slice(first, first + side * side)
    out = weights.clone()
    out[..., places, :] = weights[..., places, :].unflatten(-2, (side, side)).flip(-2).flatten(-3, -2)
    return out


def _neighbours(weights: Tensor, channels_first: bool) -> Tensor:
    """Patch merging's (out, 4 c): neighbours column by column, or for every channel a window of two rows."""
    if channels_first:
        return weights.unflatten(1, (-1, 2, 2)).flip(3).flatten(1)
    return weights.unflatten(1, (2, 2, -1)).flip(1).flatten(1)
