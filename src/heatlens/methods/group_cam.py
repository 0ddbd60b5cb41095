"""Group-CAM: Group Score-Weighted Visual Explanations for Deep Convolutional Networks.  Qinglong Zhang, Lu Rao, Yubin
Yang.  2021, arXiv:2103.13859.

    w_k = 1/Z sum_ij dy/dA_k(i,j)
    M_l = ReLU( sum of w_k A_k over the channels of group l )
    H_l = (U(M_l) - min) / (max - min)
    a_l = ReLU( p(X * H_l + X~ * (1 - H_l)) - p(X~) ),   X~ = X blurred (51 x 51 pixels, sigma 50)
    L   = ReLU( sum_l  a_l M_l )

As in the authors' code, the groups are contiguous chunks of channels; `grouping` finds alike w_k A_k instead, with 0
`groups` as many as the elbow of k-means shows. `theta`
sets to zero what is not above that percentile of M_l: 70 in the paper's experiments and earlier commits, off in the
code as it stands.  A group that is constant has no mask and no weight, and costs no pass.
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.errors import BadSetting
from ..words.notation import Maps, Stack, channel_sum, over_space, relu, spatial_mean
from ..words.signature import method
from .shared.clusters import cluster, grouped
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, gains, gaussian_blur, varying


@method
def group_cam(
    activations: Stack,
    gradients: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    groups: int = 32,
    grouping: Literal["chunks", "k-means", "agglomerative"] = "chunks",
    theta: float = 0.0,
    score: Scoring = "probability",
    seed: int = 0,
) -> Maps:
    at_least(1 if grouping == "chunks" else 0, groups=groups)
    if not 0 <= theta < 100:
        raise BadSetting(f"the setting theta={theta}", "a percentile from 0 to below 100")
    each = spatial_mean(gradients) * activations
    if grouping == "chunks":
        channel = torch.arange(each.shape[1], device=each.device)
        labels = (channel // -(-len(channel) // groups)).expand(each.shape[:2])
    else:
        labels = cluster(each, grouping, groups=groups, seed=seed)
    M = relu(grouped(each, labels, mean=False))
    if theta:
        bound = over_space(M.flatten(2).quantile(theta / 100, 2), M)
        M = M.masked_fill(bound >= M, 0)
    M = compact(M, varying(M))
    a = relu(gains(M, images, gaussian_blur(images, 51, 50.0), enlarge, score_under, score))
    return relu(channel_sum(over_space(a, M) * M))
