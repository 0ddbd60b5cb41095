"""LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity.  Walid Bousselham, Angie
Boggust, Sofian Chaybouti, Hendrik Strobelt, Hilde Kuehne.  ICCV 2025, arXiv:2404.03214.

    s_l = the score of block l's own tokens Z_l, by what stands behind the last block
    E_l = mean over heads and queries of ReLU( ds_l/dAtt_l )
    L   = sum over the last `blocks` blocks of E_l over the places

The authors' code takes the mean of Z_l over all tokens for s_l; `pooling="model"` reads Z_l as the network itself reads
its last block.  Its last 2 blocks are the default of that code; 0 takes all, as the paper describes it.
"""

from typing import Literal

from ..words.bounds import at_least
from ..words.notation import Maps, relu
from ..words.signature import method
from .shared.attention import Attention, AttentionGradients


@method
def legrad(
    attention: Attention,
    attention_gradients: AttentionGradients,
    *,
    blocks: int = 2,
    pooling: Literal["mean", "model"] = "mean",
) -> Maps:
    at_least(0, blocks=blocks)
    slopes = attention_gradients("tokens" if pooling == "mean" else "read")[-blocks:]
    return attention.map(sum((relu(slope).mean((1, 2)) for slope in slopes[1:]), relu(slopes[0]).mean((1, 2))))
