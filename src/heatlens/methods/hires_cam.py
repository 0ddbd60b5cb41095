"""HiResCAM: Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks.  Rachel Lea
Draelos, Lawrence Carin.  2020, arXiv:2011.08891.

    L = sum_k  dy/dA_k * A_k

The product is element by element.  Not rectified, as in the authors' own function: behind the last convolution and
before a single linear layer, sum_ij L + b is the score, and what speaks against the class is part of that sum.
Eigen-smoothing gives up this guarantee.
"""

from ..words.notation import Maps, Stack, Summing, channel_sum
from ..words.signature import method


@method(signed=True)
def hires_cam(activations: Stack, gradients: Stack, *, summing: Summing = "plain") -> Maps:
    return channel_sum(gradients * activations, summing)
