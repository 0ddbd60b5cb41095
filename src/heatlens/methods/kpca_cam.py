"""KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA.  Sachin Karmani, Thanushon
Sivakaran, Gaurav Prasad, Mehmet Ali, Wenbo Yang, Sheyang Tang.  MMSP 2024, arXiv:2410.00267.

    x_p     = the channels at place p, each channel's mean over the places subtracted
    K_pq    = kernel(x_p, x_q),   then centred:  K - 1K - K1 + 1K1,   1 = a matrix of 1/Z
    L       = sqrt(l_1) u_1,      l_1, u_1 = the largest eigenvalue of K and its eigenvector

Kernels with d = x_p . x_q:  sigmoid tanh(gamma d + 1), rbf exp(-gamma |x_p - x_q|^2), poly (gamma d + 1)^3, cosine,
and linear, which is Eigen-CAM, centred.  gamma is 1/C when not given.  The sign is Eigen-CAM's: high where the
centred channels say much.
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.notation import Maps, Stack, centred_places, decided, first_eigenpair, ratio, relu, root, strength
from ..words.signature import method

Kernel = Literal["sigmoid", "rbf", "linear", "poly", "cosine"]


@method
def kpca_cam(activations: Stack, *, kernel: Kernel = "sigmoid", gamma: float | None = None) -> Maps:
    places = centred_places(activations.flatten(2).mT)
    K = _gram(places, kernel, 1 / places.shape[2] if gamma is None else gamma)
    K = K - K[:, :1, :1]  # nothing to the centring, and a constant is exactly 0
    K = K - K.mean(1, keepdim=True) - K.mean(2, keepdim=True) + K.mean((1, 2), keepdim=True)
    largest, direction = first_eigenpair(K)
    return decided(direction * root(largest), strength(places), places.sum(2)).reshape(
        len(activations), *activations.shape[2:]
    )


def _gram(x: Tensor, kernel: Kernel, gamma: float) -> Tensor:
    dots = x @ x.mT
    squares = dots.diagonal(dim1=1, dim2=2)
    match kernel:
        case "sigmoid":
            return torch.tanh(gamma * dots + 1)
        case "rbf":
            return torch.exp(-gamma * relu(squares[:, :, None] + squares[:, None] - 2 * dots))
        case "poly":
            return (gamma * dots + 1) ** 3
        case "cosine":
            unit = ratio(x, x.norm(dim=2, keepdim=True))
            return unit @ unit.mT
        case "linear":
            return dots
