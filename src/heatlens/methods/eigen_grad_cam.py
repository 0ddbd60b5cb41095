"""EigenGradCAM.  Jacob Gildenblat and contributors, from the library pytorch-grad-cam; there is no paper.

    O = dy/dA * A as a matrix (places x channels), each channel's mean subtracted
    L = O v_1,   O = U S V^T

Eigen-CAM's projection of the class's own evidence.  `centred` is on because it is in the library that the method
comes from.
"""

from ..words.notation import Maps, Stack, principal
from ..words.signature import method


@method
def eigen_grad_cam(activations: Stack, gradients: Stack, *, centred: bool = True) -> Maps:
    return principal(gradients * activations, centred=centred)
