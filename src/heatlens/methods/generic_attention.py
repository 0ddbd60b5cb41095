"""Generic attention explainability: Generic Attention-model Explainability for Interpreting Bi-Modal and
Encoder-Decoder Transformers.  Hila Chefer, Shir Gur, Lior Wolf.  ICCV 2021, arXiv:2103.15679.

    Abar_l = mean_h ReLU( dy/dAtt_l * Att_l )
    R <- R + Abar_l R,  from R = I, block after block:  R = (I + Abar_L) ... (I + Abar_1)
    L = R at the token that the score reads, over the places

For self-attention alone, as in image classifiers; the paper's normalisation belongs to networks of two modalities.
Where the score reads several tokens, as a mean over the patches does, L is the mean of their rows, less the I that
every place has in it.
"""

from ..words.notation import Maps, relu
from ..words.signature import method
from .shared.attention import Attention, AttentionGradients, chained, identity_like


@method
def generic_attention(attention: Attention, attention_gradients: AttentionGradients) -> Maps:
    pairs = zip(attention.blocks, attention_gradients("score"), strict=True)
    I = identity_like(attention.blocks[0])  # noqa: E741
    return attention.seen(chained([I + relu(slope * Att).mean(1) for Att, slope in pairs]) - I)
