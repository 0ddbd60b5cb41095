"""Grad-CAM element-wise: Explainable Models with Consistent Interpretations.  Vipin Pillai, Hamed Pirsiavash.  AAAI
2021.

    L = sum_k  ReLU( dy/dA_k * A_k )

The same as LayerCAM where A is not negative.
"""

from ..words.notation import Maps, Stack, Summing, channel_sum, relu
from ..words.signature import method


@method
def grad_cam_element_wise(activations: Stack, gradients: Stack, *, summing: Summing = "plain") -> Maps:
    return channel_sum(relu(gradients * activations), summing)
