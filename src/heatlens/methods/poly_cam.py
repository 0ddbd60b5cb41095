"""Poly-CAM: High resolution class activation map for convolutional neural networks.  Alexandre Englebert, Olivier
Cornu, Christophe De Vleeschouwer.  ICPR 2022, arXiv:2204.13359.

    H_k = U( (A_k - q) / Q ), kept between 0 and 1,   q, Q = the 0.1st and the 99.9th percentile of A_k
    w_k = p(X * H_k)                                              PCAM+   "plus"
    w_k = ReLU( p(X) - p(X * (1 - H_k)) )                         PCAM-   "minus"
    w_k = ReLU( p(X * H_k) + p(X) - p(X * (1 - H_k)) )            PCAM+-  "both"
    B_l = ReLU( sum_k  w_k A_k )
    P_l = LNorm(B_l) * U(P_l+1)

This file is the map B_l of one layer, the last line its fusion over the last layer before each change of resolution.
H is that of the authors' code, which divides by Q, not by Q - q.  A channel that is zero everywhere costs no pass.
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.notation import Maps, Stack, channel_sum, over_space, ratio, relu
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact


@method(fuse="poly", layers="stages")
def poly_cam(
    activations: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    mode: Literal["plus", "minus", "both"] = "both",
    score: Scoring = "probability",
) -> Maps:
    A = compact(activations, (activations != 0).flatten(2).any(2))
    channels = A.shape[1]
    kinds = torch.tensor({"plus": [0], "minus": [1], "both": [0, 1]}[mode], device=A.device)

    def masked(i: Tensor, k: Tensor) -> Tensor:
        k = k.to(A.device)
        H = enlarge(_percentiles(A[i, k % channels][:, None]))
        kind = over_space(torch.cat([kinds.repeat_interleave(channels), kinds.new_full((1,), 2)])[k][:, None], H)
        return images[i] * torch.where(kind == 0, H, torch.where(kind == 1, 1 - H, 1))

    y = score_under(masked, len(kinds) * channels + 1, probability=score == "probability")
    kept, whole = y[:, :channels], y[:, -1:]
    without = y[:, -1 - channels : -1]
    weight = {"plus": kept, "minus": relu(whole - without), "both": relu(kept + whole - without)}[mode]
    return relu(channel_sum(over_space(weight, A) * A))


def _percentiles(x: Stack) -> Stack:
    low, high = (over_space(x.flatten(2).quantile(q, 2), x) for q in (0.001, 0.999))
    return torch.where(high > 0, ratio(x - low, high), (x > low).to(x)).clamp(0, 1)
