"""Transformer attribution: Transformer Interpretability Beyond Attention Visualization.  Hila Chefer, Shir Gur, Lior
Wolf.  CVPR 2021, arXiv:2012.09838.

    Abar_l = I + mean_h ReLU( dy/dAtt_l * R_l )
    C      = Abar_L ... Abar_1
    L      = C at the token that the score reads, over the places

R_l is the relevance of Att_l by layer-wise relevance propagation from the class's score, with the rules of the paper:
positive contributions through dense layers, sums settled so that nothing is lost, half for each factor of a matrix
product.  As in the authors' code the rows are not normalised, and the I of the product is left out of the map.
"""

from collections.abc import Callable

from torch import Tensor

from ..attention import Attention, AttentionGradients, chained, identity_like
from ..notation import Maps, relu
from ..registry import method


@method
def transformer_attribution(
    attention: Attention, attention_gradients: AttentionGradients, propagated: Callable[[str], list[Tensor]]
) -> Maps:
    pairs = zip(attention_gradients("score"), propagated("attention"), strict=True)
    I = identity_like(attention.blocks[0])  # noqa: E741
    return attention.seen(chained([I + relu(slope * R).mean(1) for slope, R in pairs]) - I)
