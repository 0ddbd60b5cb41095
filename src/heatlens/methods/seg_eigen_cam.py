"""Seg-Eigen-CAM: Eigen-Value-Based Visual Explanations for Semantic Segmentation Models.  C.-T. Chung, J. J.-C. Ying.
Applied Sciences 15(13):7562, 2025.

    O = |dy/dA| * A as a matrix (places x channels)      (10)
    L = O v_1,   O = U S V^T
    L = -L  where |min L| > |max L|                      (13)

`centred` subtracts each channel's mean from O first.  Where |min L| = |max L|, Eigen-CAM's sign stays.
"""

import torch

from ..words.notation import Maps, Stack, extremes, principal
from ..words.signature import method


@method
def seg_eigen_cam(activations: Stack, gradients: Stack, *, centred: bool = False) -> Maps:
    maps = principal(gradients.abs() * activations, centred=centred)
    low, high = extremes(maps)
    return torch.where(low.abs() > high.abs(), -maps, maps)
