"""IS-CAM: Integrated Score-CAM for axiomatic-based explanations.  Rakshit Naidu, Ankita Ghosh, Yash Maurya, Shamanth R
Nayak K, Soumya Snigdha Kundu.  2020, arXiv:2010.03023.

    H_k = (U(A_k) - min) / (max - min)
    w_k = 1/N sum_i  y( c_i X * H_k ),   i = 1 .. N
    L   = ReLU( sum_k  softmax_k(w) A_k )

The score of a baseline picture, which the paper subtracts, cancels in the softmax.  `schedule`: "linear" is the
integral's c_i = i/N; "cumulative" is c_i = 1/N + 2/N + ... + i/N, which torch-cam computes and which leaves the range
of a picture (5.5 for the last of ten).  Which of the two the paper means could not be checked.
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, channel_sum, over_space, relu
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, masks, softmax_over, varying


@method
def is_cam(
    activations: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    steps: int = 10,
    schedule: Literal["linear", "cumulative"] = "linear",
    score: Scoring = "logit",
) -> Maps:
    at_least(1, steps=steps)
    A = compact(activations, varying(activations))
    c = torch.arange(1, steps + 1).to(images) / steps
    c = over_space((c if schedule == "linear" else c.cumsum(0))[:, None], images)

    def dimmed(i: Tensor, k: Tensor) -> Tensor:
        return c[k.to(c.device) % steps] * images[i] * masks(A, i, k // steps, enlarge)

    y = score_under(dimmed, steps * A.shape[1], probability=score == "probability")
    weight = softmax_over(y.reshape(*A.shape[:2], steps).mean(2), varying(A))
    return relu(channel_sum(over_space(weight, A) * A))
