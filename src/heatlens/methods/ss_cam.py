"""SS-CAM: Smoothed Score-CAM for Sharper Visual Feature Localization.  Haofan Wang, Rakshit Naidu, Joy Michael, Soumya
Snigdha Kundu.  2020, arXiv:2006.14255.

    H_k = (U(A_k) - min) / (max - min)
    w_k = 1/N sum_i  y( X * (H_k + n_i) ),   n_i ~ N(0, sigma^2)      noise on the map (type 1)
    w_k = 1/N sum_i  y( X * H_k + n_i )                               noise on the input (type 2)
    L   = ReLU( sum_k  softmax_k(w) A_k )

The score of a baseline picture, which the paper subtracts, cancels in the softmax.  Every channel and every image
meets the same N draws.  A constant channel has no mask and no weight.  Whether y is a logit or a probability could
not be checked in the paper; the softmax of probabilities is nearly even, so a logit is the default.
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, channel_sum, over_space, relu
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, masks, softmax_over, varying


@method
def ss_cam(
    activations: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    noise: Literal["map", "input"] = "map",
    samples: int = 35,
    sigma: float = 2.0,
    seed: int = 0,
    score: Scoring = "logit",
) -> Maps:
    at_least(1, samples=samples)
    at_least(0, sigma=sigma)
    A = compact(activations, varying(activations))
    shape = (samples, 1 if noise == "map" else images.shape[1], *images.shape[2:])
    generator = torch.Generator().manual_seed(seed)
    draws = sigma * torch.randn(shape, generator=generator, dtype=torch.float32).to(images)

    def noisy(i: Tensor, k: Tensor) -> Tensor:
        H, n = masks(A, i, k // samples, enlarge), draws[k.to(draws.device) % samples]
        return images[i] * (H + n) if noise == "map" else images[i] * H + n

    y = score_under(noisy, samples * A.shape[1], probability=score == "probability")
    weight = softmax_over(y.reshape(*A.shape[:2], samples).mean(2), varying(A))
    return relu(channel_sum(over_space(weight, A) * A))
