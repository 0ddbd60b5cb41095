"""Relevance-CAM: Your Model Already Knows Where to Look.  Jeong Ryong Lee, Sewon Kim, Inyong Park, Taejoon Eo, Dosik
Hwang.  CVPR 2021.

    R   = the relevance of A by layer-wise relevance propagation (z+), from +1 at the class and -1/classes elsewhere
    w_k = 1/Z sum_ij  R_k(i,j)
    L   = sum_k  w_k A_k

No ReLU, and shown from its lowest to its highest value, as in the authors' code.
"""

from collections.abc import Callable

from ..words.notation import Maps, Stack, Summing, channel_sum, spatial_mean
from ..words.signature import method


@method(display="range")
def relevance_cam(activations: Stack, propagated: Callable[[str], Stack], *, summing: Summing = "plain") -> Maps:
    return channel_sum(spatial_mean(propagated("relevance")) * activations, summing)
