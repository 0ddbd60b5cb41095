"""ShapleyCAM: CAMs as Shapley Value-based Explainers.  Huaiguang Cai.  2025, arXiv:2501.06261.

    w_k = 1/Z sum_ij  ( g - 1/2 H A )_k(i,j),   g = dy/dA,   H = the Hessian of y with respect to A
    L   = ReLU( sum_k  w_k A_k )

The second-order estimate of a channel's Shapley value.  A logit behind ReLUs has H = 0, which makes this Grad-CAM;
the paper's score is y_c + log p_c.
"""

from collections.abc import Callable

from ..words.notation import Maps, Stack, Summing, channel_sum, relu, spatial_mean
from ..words.signature import method


@method
def shapley_cam(
    activations: Stack, gradients: Stack, curvature: Callable[[Stack], Stack], *, summing: Summing = "plain"
) -> Maps:
    weight = spatial_mean(gradients - curvature(activations) / 2)
    return relu(channel_sum(weight * activations, summing))
