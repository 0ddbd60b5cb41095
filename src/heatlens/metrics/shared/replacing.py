"""The words of the metrics that replace pixels: in which order, by what, and what the curve is worth.

Pixels are ordered by the map, the most salient first.  Equal ones, and a map after a ReLU has many, come in raster
order: row by row from the top left.  (RISE's own code reverses an unstable ascending sort, so that its order of equal
pixels is not defined.)
"""

from collections.abc import Callable, Hashable
from math import prod
from typing import Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...methods.shared.masking import Pictures
from ...words.bounds import at_least
from ...words.notation import Maps, Stack, space

Scored = Callable[[Pictures, int], Tensor]
"""What the pictures(i, k) of every image are worth: (n, count)."""


class ScoredOnce(Protocol):
    """The same, remembered for all maps where the pictures have a name because they depend on none."""

    def __call__(self, pictures: Pictures, count: int, same: Hashable | None = None) -> Tensor: ...


Fill = Literal["zero", "blurred", "mean"]
"""What stands for a missing pixel: 0 in the model's units, the blurred picture, or the picture's mean colour."""


def ranks(maps: Maps) -> Tensor:
    """The place of each pixel in the order: 0 for the most salient."""
    order = maps.flatten(1).sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(maps.shape)


def curve(start: Stack, finish: Stack, maps: Maps, step: int, scored: Scored) -> Tensor:
    """The score while start becomes finish, `step` pixels at a time, the most salient first: (n, steps + 1)."""
    at_least(1, step=step)
    rank = ranks(maps)[:, None]

    def partly(i: Tensor, k: Tensor) -> Tensor:
        return torch.where(rank[i] < over_pictures(k, start) * step, finish[i], start[i])

    return scored(partly, -(-prod(maps.shape[1:]) // step) + 1)


def draws(many: int, seed: int) -> list[int]:
    """A seed for each of many draws, so that any of them can be made again when its chunk is due."""
    drawn: list[int] = torch.randint(2**31, (many,), generator=torch.Generator().manual_seed(seed)).tolist()
    return drawn


def over_pictures(k: Tensor, images: Stack) -> Tensor:
    """Numbers `(m,)` of pictures, shaped to meet pictures `(m, channels, *size)`."""
    return k.reshape(-1, *[1] * (images.ndim - 1))


def area(values: Tensor) -> Tensor:
    """The trapezoidal area under curves `(n, steps + 1)` over an abscissa from 0 to 1."""
    return (values.sum(1) - (values[:, 0] + values[:, -1]) / 2) / (values.shape[1] - 1)


def mean_area(values: np.ndarray) -> float:
    """A data set's number, from areas `(photos,)` or from curves `(photos, steps + 1)`."""
    areas = values if values.ndim == 1 else area(torch.from_numpy(values)).numpy()
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def filled(images: Stack, fill: Fill, blur: int, sigma: float) -> Stack:
    """The picture that stands for the missing pixels."""
    if fill == "blurred":
        return blurred(images, blur, sigma)
    return torch.zeros_like(images) if fill == "zero" else images.mean(space(images), keepdim=True).expand_as(images)


def blurred(images: Stack, size: int, sigma: float) -> Stack:
    """RISE's blur: zeros beyond the border, and a kernel of `size` places into which a Gaussian is folded.

    The authors blur a single dot on a field of size x size whose border reflects, and take what comes out as the
    kernel: at sigma 5 on 11 places it is nearly a box.
    """
    at_least(1, blur=size)
    at_least(1e-3, sigma=sigma)
    kernel = folded_gaussian(size, sigma).to(images)
    for axis in space(images):
        rows = images.movedim(axis, -1)
        smooth = F.conv1d(rows.reshape(-1, 1, rows.shape[-1]), kernel[None, None], padding=size // 2)
        images = smooth[..., : rows.shape[-1]].reshape(rows.shape).movedim(-1, axis)
    return images


def folded_gaussian(size: int, sigma: float) -> Tensor:
    """A Gaussian cut off at 4 sigma around the middle of `size` places, reflected at both ends until all is inside."""
    radius = int(4 * sigma + 0.5)
    away = torch.arange(-radius, radius + 1, dtype=torch.float64)
    bell = torch.exp(-(away**2) / (2 * sigma**2))
    place = (away.long() + size // 2) % (2 * size)
    inside = torch.minimum(place, 2 * size - 1 - place)
    return torch.zeros(size, dtype=torch.float64).scatter_add(0, inside, bell / bell.sum())
