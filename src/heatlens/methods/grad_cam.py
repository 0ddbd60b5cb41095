"""Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization.  Ramprasaath R. Selvaraju,
Michael Cogswell, Abhishek Das, Ramakrishna Vedantam, Devi Parikh, Dhruv Batra.  ICCV 2017, arXiv:1610.02391.

    alpha_k = 1/Z sum_ij  dy/dA_k(i,j)        (1)
    L       = ReLU( sum_k  alpha_k A_k )      (2)
"""

from ..words.notation import Maps, Stack, Summing, channel_sum, relu, spatial_mean
from ..words.signature import method


@method
def grad_cam(activations: Stack, gradients: Stack, *, summing: Summing = "plain") -> Maps:
    alpha = spatial_mean(gradients)
    return relu(channel_sum(alpha * activations, summing))
