"""Eigen-CAM: Class Activation Map using Principal Components.  Mohammed Bany Muhammad, Mohammed Yeasin.  IJCNN 2020,
arXiv:2008.00299.

    O = U S V^T,   O = A as a matrix (places x channels)
    L = O v_1,     v_1 = the first column of V

No class and no gradient.  The paper does not centre O; `centred` subtracts each channel's mean first, which makes it
a principal component analysis and another map.  The sign of v_1, which a singular value decomposition leaves open, is
the one whose map is high where the places of O are strong, sum_p L_p |O_p| >= 0: behind a ReLU this makes the map
non-negative, and where activations have both signs it lies on the object more often than the sign of sum_k v_1k.
"""

from ..words.notation import Maps, Stack, principal
from ..words.signature import method


@method
def eigen_cam(activations: Stack, *, centred: bool = False) -> Maps:
    return principal(activations, centred=centred)
