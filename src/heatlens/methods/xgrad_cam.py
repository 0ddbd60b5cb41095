"""XGrad-CAM: Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs.  Ruigang Fu, Qingyong Hu,
Xiaohu Dong, Yulan Guo, Yinghui Gao, Biao Li.  BMVC 2020, arXiv:2008.02312.

    w_k = sum_ij  A_k(i,j) / (sum_ab A_k(a,b))  dy/dA_k(i,j)
    L   = ReLU( sum_k  w_k A_k )

A channel that is zero everywhere contributes nothing (its 0/0 is 0).  The method is meant for layers behind a ReLU.
Where activations have both signs a channel's sum can be next to nothing beside what it sums, and the paper's weight is
then rounding divided by rounding; with `absolute`, the sum is of |A_k|, which is the same behind a ReLU and bounds the
weight by the largest derivative anywhere (XGradCAM+ of LibraGrad's authors, arXiv:2411.16760).
"""

from ..words.cautions import vanishing_sum
from ..words.notation import Maps, Stack, Summing, channel_sum, ratio, relu, spatial_sum
from ..words.signature import method


@method(caution=vanishing_sum)
def xgrad_cam(activations: Stack, gradients: Stack, *, absolute: bool = True, summing: Summing = "plain") -> Maps:
    whole = spatial_sum(activations.abs() if absolute else activations)
    return relu(channel_sum(ratio(spatial_sum(activations * gradients), whole) * activations, summing))
