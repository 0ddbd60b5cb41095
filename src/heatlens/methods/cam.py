"""CAM: Learning Deep Features for Discriminative Localization.  Bolei Zhou, Aditya Khosla, Agata Lapedriza, Aude
Oliva, Antonio Torralba.  CVPR 2016, arXiv:1512.04150.

    M(x, y) = sum_k  w_k f_k(x, y)      (2)

f enters a global average pooling and then one linear layer with the weights w of the class: A, or ReLU(A) where the
network rectifies what the layer says (DenseNet), w then being 0 where A is not positive.  The bias is left out, and M
has no ReLU: mean_xy M + b is the class score itself.
"""

from torch import Tensor

from ..words.notation import Maps, Stack, Summing, channel_sum, over_space
from ..words.signature import method


@method(signed=True)
def cam(class_weights: Tensor, activations: Stack, *, summing: Summing = "plain") -> Maps:
    return channel_sum(over_space(class_weights, activations) * activations, summing)
