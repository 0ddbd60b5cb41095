"""Dummy-CAM, the plain mean of the channels, from the library class_activation_mapping; the same map is LaFAM:
Unsupervised Feature Attribution with Label-free Activation Maps, 2024, arXiv:2407.06059.

    L = 1/C sum_k  A_k

No class and no weights: what a method must beat to have found anything.  Where the channels cancel to rounding, as
behind a norm over the channels without weights of its own, the mean is exactly 0.
"""

from ..words.notation import Maps, Stack
from ..words.signature import method

ROUNDING = 1e-6
"""The share of a sum's terms, by magnitude, that single precision cannot tell from nothing."""


@method
def dummy_cam(activations: Stack) -> Maps:
    mean = activations.mean(1)
    return mean.masked_fill(mean.abs() <= ROUNDING * activations.abs().mean(1), 0)
