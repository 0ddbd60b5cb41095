"""XGrad-CAM: Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs.  Ruigang Fu, Qingyong Hu,
Xiaohu Dong, Yulan Guo, Yinghui Gao, Biao Li.  BMVC 2020, arXiv:2008.02312.

    w_k = sum_ij  A_k(i,j) / (sum_ab A_k(a,b))  dy/dA_k(i,j)
    L   = ReLU( sum_k  w_k A_k )

A channel that is zero everywhere contributes nothing (its 0/0 is 0).  Where a channel's positive and negative values
cancel, the paper's weight grows without bound; the method is meant for layers behind a ReLU.
"""

from ..notation import Maps, Stack, Summing, channel_sum, ratio, relu, spatial_sum
from ..registry import method


@method
def xgrad_cam(activations: Stack, gradients: Stack, *, summing: Summing = "plain") -> Maps:
    weight = ratio(spatial_sum(activations * gradients), spatial_sum(activations))
    return relu(channel_sum(weight * activations, summing))
