"""AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers.  Reduan Achtibat, Sayed Mohammad
Vakilzadeh Hatefi, Maximilian Dreyer, Aakriti Jain, Thomas Wiegand, Sebastian Lapuschkin, Wojciech Samek.  ICML 2024,
arXiv:2402.05602.

    R = y at the class, sent back by layer-wise relevance propagation
        softmax s of x:       x (R - s sum R)
        a matrix product:     half of the shares of its summands for each factor
        x W + b:              shares of x (W + gamma W+) where that is positive, of x (W + gamma W-) where negative
        norms, nonlinearities: unchanged
    L = sum over the colours of R

At the size of the image, signed.  The paper recommends gamma for vision transformers and finds it by a search;
0.05 for dense layers and 0.25 for the convolution that makes the patches are values of that search in the authors'
example, not settled by the paper.  With 0 every rule is the plain share.
"""

from collections.abc import Callable

from ..notation import Maps, Stack
from ..registry import at_least, method


@method(signed=True)
def attn_lrp(propagated: Callable[..., Stack], *, gamma: float = 0.05, conv_gamma: float = 0.25) -> Maps:
    at_least(0, gamma=gamma, conv_gamma=conv_gamma)
    return propagated("attn_lrp", gamma=gamma, conv_gamma=conv_gamma).sum(1)
