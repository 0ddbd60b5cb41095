"""Zoom-CAM: Generating Fine-grained Pixel Annotations from Image Labels.  Xiangwei Shi, Seyran Khademi, Yunqiang Li,
Jan van Gemert.  ICPR 2020, arXiv:2010.08644.

    Z_l = sum_k  dy/dA_k * A_k               of every convolution l
    L   = max_l  U( ReLU(Z_l) / max Z_l )    element by element

This file is the map of one layer; the maximum over the layers is its fusion.
"""

from ..words.cautions import shallow_slopes
from ..words.notation import Maps, Stack, channel_sum, unit_peak
from ..words.signature import method


@method(fuse="maximum", layers="convolutions", caution=shallow_slopes)
def zoom_cam(activations: Stack, gradients: Stack) -> Maps:
    return unit_peak(channel_sum(gradients * activations))
