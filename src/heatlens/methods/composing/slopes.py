"""What the channels are weighted with: slopes, plain or over many pictures, and what is made of them."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor

from ...words.notation import Stack, along_path, noisy, ratio, relu, spatial_mean, spatial_sum

Smooth = Literal["none", "noise", "path", "noise+path"]
Weight = Literal["none", "class", "gradient", "gradient++", "axiom"]
Evidence = Mapping[str, Any]
"""The words that the method was given."""


def slopes(e: Evidence, smooth: Smooth, samples: int, sigma: float, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """D1, the mean slope, and D3/D2, that of its cube over that of its square: the slope itself where there is one."""
    if smooth == "none":
        return e["gradients"], e["gradients"]
    X, pictures = e["images"], iter([e["images"]])
    if "noise" in smooth:
        pictures = noisy(X, samples=samples, sigma=sigma, seed=seed)
    if "path" in smooth:
        paths = (along_path(e["baseline"], picture, steps=steps) for picture in pictures)
        pictures = chain.from_iterable(paths)
    return _moments(g for _, g in e["perturbed"](pictures))


def _moments(slopes: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    D1 = D2 = D3 = torch.zeros(())
    count = 0
    for g in slopes:
        D1, D2, D3, count = D1.to(g) + g, D2.to(g) + g**2, D3.to(g) + g**3, count + 1
    return D1 / count, ratio(D3, D2)


def weights(weight: Weight, A: Stack, slopes: tuple[Tensor, Tensor], pool: bool, positive: bool) -> Tensor:
    """W, one number a channel or one a place."""
    g, third = slopes
    g = relu(g) if positive else g
    match weight:
        case "gradient":
            return spatial_mean(g) if pool else g
        case "gradient++":
            each = relu(g) / (2 + spatial_sum(A) * third).clamp(min=1)
        case _:
            each = ratio(A * g, spatial_sum(A.abs()))
    return spatial_sum(each) if pool else each
