"""Detail for a coarse map, from the strongest channel."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...words.notation import Maps, Stack, ratio, relu, resize_maps


def sharpened(L: Maps, A: Stack, factor: int) -> Maps:
    """The map's blocks, with the strongest channel's detail within its own blocks."""
    size = tuple(L.shape[1:])
    coarse = tuple(max(1, length // factor) for length in size)

    def blocks(m: Maps) -> Maps:
        pool: Callable[..., Tensor] = (
            torch.nn.functional.adaptive_avg_pool1d,
            torch.nn.functional.adaptive_avg_pool2d,
            torch.nn.functional.adaptive_avg_pool3d,
        )[len(size) - 1]
        return resize_maps(pool(m, coarse), size)

    detail = relu(A).amax(1)
    return blocks(L) * ratio(detail, blocks(detail))
