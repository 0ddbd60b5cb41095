"""LIFT-CAM: Towards Better Explanations of Class Activation Mapping.  Hyungsik Jung, Youngrock Oh.  ICCV 2021,
arXiv:2102.05228.

    w_k = sum_ij  DL_k(i,j),   DL = the DeepLIFT contributions of A to y against A = 0 (rescale rule)
    L   = ReLU( sum_k  w_k A_k )

sum_k w_k = y(A) - y(0): the weights approximate the Shapley values of switching channels on.
"""

from collections.abc import Callable

from ..words.notation import Maps, Stack, Summing, channel_sum, relu, spatial_sum
from ..words.signature import method


@method
def lift_cam(activations: Stack, propagated: Callable[[str], Stack], *, summing: Summing = "plain") -> Maps:
    return relu(channel_sum(spatial_sum(propagated("rescale")) * activations, summing))
