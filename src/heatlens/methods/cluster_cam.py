"""Cluster-CAM: Cluster-Weighted Visual Interpretation of CNNs' Decision in Image Classification.  Zhenpeng Feng,
Hongbing Ji, Milos Dakovic, Xiyang Cui, Mingzhe Zhu, Ljubisa Stankovic.  2023, arXiv:2302.01642.

    M_g = the mean of w_k A_k over the channels of cluster g,   w_k = 1/Z sum_ij dy/dA_k(i,j)
    s   = v / |v|,   v_g = y(X * H_g + X~ * (1 - H_g)) - y(X~),   H_g = (U(M_g) - min) / (max - min)
    L   = ReLU( s_b M_b - (1 - s_b) M_t ),   b = argmax s (cognition-base), t = argmin s (cognition-scissors)

No code of the authors was found and the paper could not be checked: this is what the library class_activation_mapping
computes, X~ being the picture blurred with sigma 51, and every constant of it is uncertain. Different from there: the
clusters are found at the size of the layer, and no median is subtracted.  0 `groups`: as many as the elbow of k-means
shows.
"""

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.cautions import exchanged
from ..words.notation import Maps, Stack, channel_sum, over_space, relu, spatial_mean
from ..words.signature import method
from .shared.clusters import cluster, grouped
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, gains, gaussian_blur, unit_length, varying


@method(caution=exchanged)
def cluster_cam(
    activations: Stack,
    gradients: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    groups: int = 0,
    score: Scoring = "logit",
    seed: int = 0,
) -> Maps:
    at_least(0, groups=groups)
    each = spatial_mean(gradients) * activations
    M = grouped(each, cluster(each, "spectral", groups=groups, seed=seed))
    M = compact(M, varying(M))
    s = unit_length(gains(M, images, gaussian_blur(images, 307, 51.0), enlarge, score_under, score))
    real = varying(M)
    base = s.masked_fill(~real, -torch.inf).argmax(1, keepdim=True)
    scissors = s.masked_fill(~real, torch.inf).argmin(1, keepdim=True)
    best = s.gather(1, base)
    weight = torch.zeros_like(s).scatter(1, base, best).scatter_add(1, scissors, best - 1)
    return relu(channel_sum(over_space(weight, M) * M))
