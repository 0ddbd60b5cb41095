"""TIS: Transformer Input Sampling.  Alexandre Englebert, Sedrick Stassin, Geraldin Nanfack, Sidi Ahmed Mahmoudi, Xavier
Siebert, Olivier Cornu, Christophe De Vleeschouwer.  ICCV Workshops 2023.

    centres C_i of the channels of all blocks' outputs, as maps, by k-means into `masks` groups
    M_i = 1 at the share `kept` of the places where C_i is highest
    s_i = y( the image's patches where M_i = 1 alone )
    L   = sum_i s_i M_i / sum_i M_i

The other patches are not blackened: their tokens never enter the first block.  y is the class's probability.  1024
masks are the authors' default; a few hundred give a rough map.  Their k-means starts at random, and so does this one.
"""

import torch

from ..words.bounds import at_least
from ..words.notation import Maps, ratio
from ..words.signature import method
from .shared.attention import Attention
from .shared.clusters import centres
from .shared.masking import ScoreUnder, Scoring


@method(display="range")
def tis(
    attention: Attention,
    score_under: ScoreUnder,
    *,
    masks: int = 1024,
    kept: float = 0.5,
    score: Scoring = "probability",
    seed: int = 0,
) -> Maps:
    at_least(1, masks=masks)
    channels = torch.cat([attention.places(said) for said in attention.tokens], 1)
    C = centres(channels, masks, seed)
    best = C.flatten(2).topk(max(1, int(kept * C[0, 0].numel())), 2).indices
    M = torch.zeros_like(C.flatten(2)).scatter(2, best, 1.0)
    y = score_under(lambda i, k: best[i, k], C.shape[1], probability=score == "probability", patches=True)
    return ratio((y[:, None].to(M) @ M)[:, 0], M.sum(1)).reshape(len(C), *C.shape[2:])
