"""Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks.  Aditya Chattopadhyay, Anirban Sarkar,
Prantik Howlader, Vineeth N Balasubramanian.  WACV 2018, arXiv:1710.11063.

    alpha_k(i,j) = g^2 / (2 g^2 + g^3 sum_ab A_k(a,b)),   g = dy/dA_k(i,j)      (19)
    w_k          = sum_ij  alpha_k(i,j) ReLU(g)                                 (7)
    L            = ReLU( sum_k  w_k A_k )                                       (5)

Only places with g > 0 count, and there (19) is 1 / (2 + g S), S = sum_ab A_k(a,b), which needs no epsilon however
small g is. The paper's A is not negative, so 2 + g S >= 2.  For signed activations the denominator can vanish or
change its sign; it is kept from falling below 1, so that alpha stays a weight between 0 and 1. `normalise_alpha`
divides alpha by its sum over the places of a channel, as the authors' released code does and (7) does not.
"""

import torch

from ..words.notation import Maps, Stack, Summing, channel_sum, ratio, relu, spatial_sum
from ..words.signature import method


@method
def grad_cam_pp(
    activations: Stack, gradients: Stack, *, normalise_alpha: bool = False, summing: Summing = "plain"
) -> Maps:
    denominator = (2 + gradients * spatial_sum(activations)).clamp(min=1)
    alpha = torch.where(gradients > 0, 1 / denominator, 0)
    if normalise_alpha:
        alpha = ratio(alpha, spatial_sum(alpha))
    weight = spatial_sum(alpha * relu(gradients))
    return relu(channel_sum(weight * activations, summing))
