"""Sensitivity-n: Towards better understanding of gradient-based attribution methods for Deep Neural Networks.  Marco
Ancona, Enea Ceolini, Cengiz Oztireli, Markus Gross.  ICLR 2018, arXiv:1711.06104.

    over random sets S of n pixels:  Pearson( sum over S of R_i,  y(X) - y(X with S set to 0) )

Here the mean over `sizes` values of n, from 1 pixel to `most` of all in logarithmic steps; `curve` gives each.  A pixel
is removed in all channels.  0 where either side is the same for all sets.  Quantus' metric of that name does not draw
sets: it removes pixels in the map's order, and correlates across the batch.  All images meet the same sets.
"""

import torch
from torch import Tensor

from ..methods.shared.masking import made_once
from ..words.bounds import at_least
from ..words.errors import BadSetting
from ..words.metric import metric
from ..words.notation import Maps
from .shared.replacing import ScoredOnce, draws
from .shared.similarity import pearson


@metric(better="higher")
def sensitivity_n(
    images: Tensor,
    attribution: Maps,
    score_under: ScoredOnce,
    *,
    subsets: int = 100,
    sizes: int = 10,
    most: float = 0.8,
    seed: int = 0,
    curve: bool = False,
) -> Tensor:
    at_least(2, subsets=subsets)
    at_least(1, sizes=sizes)
    if not 0 < most <= 1:
        raise BadSetting(f"the setting most={most}", "above 0 and at most 1")
    R = attribution.flatten(1).double()
    most_pixels = torch.tensor(max(1.0, most * R.shape[1]), dtype=torch.float32)
    n = torch.logspace(0, most_pixels.log10(), sizes, dtype=torch.float32).round().long()

    seeds = draws(sizes * subsets, seed)

    def kept(k: int) -> Tensor:
        """1 for the pixels of X that the k-th picture shows, (places,); all for k = 0."""
        shown = torch.ones(R.shape[1])
        if k:
            generator = torch.Generator().manual_seed(seeds[k - 1])
            shown[torch.randperm(R.shape[1], generator=generator)[: n[(k - 1) // subsets]]] = 0
        return shown.to(images)

    def without(i: Tensor, k: Tensor) -> Tensor:
        return images[i] * made_once(k, kept).reshape(len(k), 1, *images.shape[2:])

    many = sizes * subsets
    y = score_under(without, many + 1, same=("sensitivity_n", subsets, sizes, most, seed)).double()
    lost = torch.stack([R @ (1 - kept(k).double()) for k in range(1, many + 1)], 1)
    found = pearson(lost.reshape(-1, sizes, subsets), (y[:, :1] - y[:, 1:]).reshape(-1, sizes, subsets))
    return found if curve else found.mean(1)
