"""ODAM: Gradient-based Instance-Specific Visual Explanations for Object Detection.  Chenyang Zhao, Antoni B. Chan.
ICLR 2023, arXiv:2304.06354.

    w_k = Phi( dY/dA_k )           Phi: a Gaussian, so that each place keeps a weight of its own
    L   = ReLU( sum_k  w_k A_k )

Y is what a detector says of one object: its class score or a side of its box (targets `box:CLASS`,
`box:CLASS,of=left`).  The paper fits the Gaussian to the object's size on the layer; here `smoothing` is its standard
deviation in places, and 0 leaves it out, as the released code does.
"""

from math import ceil

from ..words.bounds import at_least
from ..words.cautions import mixed_slopes
from ..words.notation import Maps, Stack, Summing, channel_sum, relu
from ..words.signature import method
from .shared.masking import gaussian_blur


@method(caution=mixed_slopes)
def odam(activations: Stack, gradients: Stack, *, smoothing: float = 1.0, summing: Summing = "plain") -> Maps:
    at_least(0, smoothing=smoothing)
    smooth = gaussian_blur(gradients, 2 * ceil(3 * smoothing) + 1, smoothing) if smoothing else gradients
    return relu(channel_sum(smooth * activations, summing))
