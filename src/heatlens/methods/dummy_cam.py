"""Dummy-CAM, the plain mean of the channels, from the library class_activation_mapping; the same map is LaFAM:
Unsupervised Feature Attribution with Label-free Activation Maps, 2024, arXiv:2407.06059.

    L = 1/C sum_k  A_k

No class and no weights: what a method must beat to have found anything.
"""

from ..notation import Maps, Stack
from ..registry import method


@method
def dummy_cam(activations: Stack) -> Maps:
    return activations.mean(1)
