"""Infidelity: On the (In)fidelity and Sensitivity of Explanations.  Chih-Kuan Yeh, Cheng-Yu Hsieh, Arun Sai Suggala,
David I. Inouye, Pradeep Ravikumar.  NeurIPS 2019, arXiv:1901.09392.

    mean over I of  ( beta I . R  -  (y(X) - y(X - I)) )^2,   beta = mean( I.R (y(X) - y(X - I)) ) / mean( (I.R)^2 )

squares: X - I is X with a random square at 0, and I . R is the sum of R in it (the authors' binary I): a square of any
place and of any side up to 10/28 of the image's, which was theirs on MNIST; they take all of them, here `samples`
drawn.  noise: X - I is noise N(0, sigma^2), and R counts for every channel.  beta is the scale that suits the map best,
as in the authors' code; without it (scaled=no) a map is also judged for its unit.
"""

from typing import Literal

import torch
from torch import Tensor

from ..methods.shared.masking import made_once
from ..words.bounds import at_least
from ..words.metric import metric
from ..words.notation import Maps, ratio
from .shared.replacing import ScoredOnce, draws, over_pictures

_LARGEST = 10 / 28


@metric(better="lower")
def infidelity(
    images: Tensor,
    attribution: Maps,
    score_under: ScoredOnce,
    *,
    perturbation: Literal["squares", "noise"] = "squares",
    samples: int = 1000,
    sigma: float = 0.2,
    scaled: bool = True,
    seed: int = 0,
) -> Tensor:
    at_least(1, samples=samples)
    at_least(0, sigma=sigma)
    size = tuple(images.shape[2:])
    seeds = draws(samples, seed)
    corners, sides = _squares(size, samples, seed)

    def removed(k: Tensor) -> Tensor:
        """1 in the squares of these numbers: (m, *size)."""
        inside = torch.ones(len(k), *size, dtype=torch.bool)
        for axis, length in enumerate(size):
            place, first = torch.arange(length), corners[k, axis, None]
            along = (place >= first) & (place < first + sides[k, None])
            inside &= along.reshape(len(k), *[length if a == axis else 1 for a in range(len(size))])
        return inside.to(images)

    def noise(k: Tensor) -> Tensor:
        """X - I: (m, channels, *size)."""
        return made_once(k, lambda one: sigma * _normal(images, seeds[one]).to(images))

    def without(i: Tensor, k: Tensor) -> Tensor:
        k = k.cpu() - 1  # the first picture is the whole one
        changed = images[i] * (1 - removed(k)[:, None]) if perturbation == "squares" else noise(k)
        return torch.where(over_pictures(k, images).to(images.device) < 0, images[i], changed)

    def said(k: Tensor) -> Tensor:
        """I . R of every image: (n, 1)."""
        I = removed(k)[:, None] if perturbation == "squares" else (images - noise(k))  # noqa: E741
        return (I.sum(1) * attribution).flatten(1).sum(1, dtype=torch.float64)

    y = score_under(without, samples + 1, same=("infidelity", perturbation, samples, sigma, seed)).double()
    fell = y[:, :1] - y[:, 1:]
    told = torch.stack([said(torch.tensor([k])) for k in range(samples)], 1)
    beta = ratio((told * fell).mean(1, keepdim=True), (told**2).mean(1, keepdim=True)) if scaled else 1.0
    return ((beta * told - fell) ** 2).mean(1)


def _normal(images: Tensor, seed: int) -> Tensor:
    return torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def _squares(size: tuple[int, ...], samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """First corners (samples, axes) and sides (samples,) of squares, all that fit being equally likely."""
    generator = torch.Generator().manual_seed(seed)
    side = torch.arange(1, max(1, int(_LARGEST * min(size))) + 1)
    room = torch.stack([length - side + 1 for length in size], 1)
    drawn = torch.multinomial(room.double().prod(1), samples, replacement=True, generator=generator)
    corners = (torch.rand(samples, len(size), generator=generator, dtype=torch.float64) * room[drawn]).long()
    return corners, side[drawn]
