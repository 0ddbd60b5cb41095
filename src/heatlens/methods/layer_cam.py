"""LayerCAM: Exploring Hierarchical Class Activation Maps for Localization.  Peng-Tao Jiang, Chang-Bin Zhang, Qibin
Hou, Ming-Ming Cheng, Yunchao Wei.  IEEE Transactions on Image Processing 30, 2021.

    w_k(i,j) = ReLU( dy/dA_k(i,j) )
    L        = ReLU( sum_k  w_k A_k )

Where the next operation has stride s (the pooling behind a VGG stage), most entries of dy/dA are zero and the map
shows a grid. The authors' localisation code then takes the gradient behind the pooling and enlarges it, corners
aligned.  Each s x s block of dy/dA sums to exactly that gradient, so `gradient_stride` = s does the same up to scale:
block means, enlarged.
"""

import torch.nn.functional as F

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, Summing, channel_sum, relu, resize
from ..words.signature import method


@method
def layer_cam(activations: Stack, gradients: Stack, *, gradient_stride: int = 1, summing: Summing = "plain") -> Maps:
    at_least(1, gradient_stride=gradient_stride)
    if gradient_stride > 1:
        gradients = _without_grid(gradients, gradient_stride)
    return relu(channel_sum(relu(gradients) * activations, summing))


def _without_grid(gradients: Stack, stride: int) -> Stack:
    size = tuple(gradients.shape[2:])
    block_mean = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(size)]
    return resize(block_mean(gradients, tuple(min(stride, length) for length in size)), size, align_corners=True)
