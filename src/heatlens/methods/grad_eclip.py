"""Grad-ECLIP: Gradient-based Visual Explanation for Transformer-based CLIP.  Chenyang Zhao, Kun Wang, Xingyu Zeng, Rui
Zhao, Antoni B. Chan.  ICML 2024, arXiv:2502.18816.

    w   = dy/do at the token that the score reads,  o = Att v of the last block, its heads side by side
    e_i = MM( cosine of that token's q and the k of place i )
    L   = ReLU( sum_c  w_c e_i v_ic )

The loosened attention e stands in for the softmax, which leaves little of the places that matter less.  `loosened=no`
is e = 1.  The authors' code runs the last block with a single head, and takes q and k behind the output projection;
here the network's own block speaks, as the paper's equations have it.  Where the score reads several tokens, w is the
sum over them and q their mean.
"""

import torch
from torch import Tensor

from ..words.errors import EvidenceMissing
from ..words.notation import Maps, channel_sum, ratio, relu, unit_range
from ..words.signature import method
from .shared.attention import Attention, AttentionGradients


@method
def grad_eclip(attention: Attention, attention_gradients: AttentionGradients, *, loosened: bool = True) -> Maps:
    w = _side_by_side(attention_gradients("outputs")[-1]).sum(1, keepdim=True)
    towards = attention.places(w * _side_by_side(attention.values))
    if loosened:
        towards = towards * unit_range(attention.places(_alike(attention)[..., None]))
    return relu(channel_sum(towards))


def _alike(attention: Attention) -> Tensor:
    """The cosine of what the read token asks for and what each token offers: (n, tokens)."""
    if attention.pair is None:
        raise EvidenceMissing("the last block does not show its queries and keys", "q k^T", "Say loosened=no")
    queries, keys = (_side_by_side(x) for x in attention.pair)
    asked = attention.reads[:, None].to(queries) @ queries
    lengths = [x.norm(dim=2, keepdim=True) for x in (asked, keys)]
    return (ratio(keys, lengths[1]) @ ratio(asked, lengths[0]).mT)[..., 0]


def _side_by_side(x: Tensor) -> Tensor:
    """(n, heads, tokens, d) -> (n, tokens, heads * d)."""
    return torch.cat(x.unbind(1), 2)
