"""Attention rollout: Quantifying Attention Flow in Transformers.  Samira Abnar, Willem Zuidema.  ACL 2020,
arXiv:2005.00928.

    a_l = rows of ( fused_h Att_l + I ), each divided by its sum
    R   = a_L ... a_1
    L   = R at the token that the score reads, over the places

It knows no class.  The paper takes the mean over the heads; "min" and "max", and `discard`, the share of the smallest
entries of the fused matrix that become zero (all but the first token's look at itself), are a later custom.  Where the
score reads several tokens, as a mean over the patches does, L is the mean of their rows.
"""

from typing import Literal

from torch import Tensor

from ..words.errors import BadSetting
from ..words.notation import Maps, ratio
from ..words.signature import method
from .shared.attention import Attention, chained, identity_like

Heads = Literal["mean", "min", "max"]


@method
def attention_rollout(attention: Attention, *, heads: Heads = "mean", discard: float = 0.0) -> Maps:
    if not 0 <= discard < 1:
        raise BadSetting(f"the setting discard={discard}", "at least 0 and below 1")
    fused = [_fused(Att, heads) for Att in attention.blocks]
    return attention.seen(chained([_with_residual(_without(A, discard)) for A in fused]))


def _fused(Att: Tensor, heads: Heads) -> Tensor:
    match heads:
        case "mean":
            return Att.mean(1)
        case "min":
            return Att.amin(1)
        case "max":
            return Att.amax(1)


def _with_residual(A: Tensor) -> Tensor:
    a = A + identity_like(A)
    return ratio(a, a.sum(2, keepdim=True))


def _without(A: Tensor, share: float) -> Tensor:
    flat = A.flatten(1)
    least = flat.topk(int(share * flat.shape[1]), largest=False).indices
    least = least.masked_fill(least == 0, -1)
    gone = flat.new_zeros(len(flat), flat.shape[1] + 1).scatter(1, least % (flat.shape[1] + 1), 1.0)[:, :-1]
    return (flat * (1 - gone)).reshape(A.shape)
