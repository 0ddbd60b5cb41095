"""FD-CAM: Improving Faithfulness and Discriminability of Visual Explanation for CNNs.  Hui Li, Zihao Li, Rui Ma,
Tieru Wu.  ICPR 2022, arXiv:2206.08792.

    N_k = the channels whose cosine with A_k is above the `threshold` quantile of all channels'
    s_k = y(A with N_k alone) + y(A) - y(A without N_k)                          on and off
    w_k = exp(MM(s)_k) MM(g)_k - 1/2,   g_k = 1/Z sum_ij dy/dA_k(i,j)
    L   = ReLU( sum_k  w_k A_k )

MM is from 0 to 1 over the channels.  From the authors' code; it leaves the threshold open, and the 0.95 is that of
their earlier method beside it.  y is what the network returns, as in that code.
"""

import torch
from torch import Tensor

from ..words.errors import BadSetting
from ..words.notation import Maps, Stack, channel_sum, over_space, ratio, relu, spatial_mean, unit_range
from ..words.signature import method
from .shared.masking import ScoreWith, Scoring


@method
def fd_cam(
    activations: Stack,
    gradients: Stack,
    score_with: ScoreWith,
    *,
    threshold: float = 0.95,
    score: Scoring = "logit",
) -> Maps:
    if not 0 <= threshold <= 1:
        raise BadSetting(f"the setting threshold={threshold}", "a quantile from 0 to 1")
    channels = activations.shape[1]

    def switched(stack: Stack, k: Tensor) -> Stack:
        k = k.to(stack.device)
        rows = stack.flatten(2).to(torch.promote_types(stack.dtype, torch.float32))
        unit = ratio(rows, rows.norm(dim=2, keepdim=True))
        one = unit.take_along_dim((k % channels)[:, None, None], 1)
        cosine = (one @ unit.mT)[:, 0]
        alike = cosine > cosine.quantile(threshold, 1, keepdim=True)
        stays = (alike == (k < channels)[:, None]) | (k == 2 * channels)[:, None]
        return stack * over_space(stays, stack)

    y = score_with(switched, 2 * channels + 1, probability=score == "probability")
    s = y[:, :channels] + y[:, -1:] - y[:, channels:-1]
    weight = unit_range(s, 1).exp() * unit_range(spatial_mean(gradients).flatten(1), 1) - 0.5
    return relu(channel_sum(over_space(weight, activations) * activations))
