"""ViT-CX: Causal Explanation of Vision Transformers.  Weiyan Xie, Xiao-Hui Li, Caleb Chen Cao, Nevin L. Zhang.  IJCAI
2023, arXiv:2211.03064.

    masks MM(U(A_k)) whose cosine distance stays below `distance` are one (complete linkage):  M_i = MM of their sum
    s_i = y( X * M_i + Z_i * (1 - M_i) ) - y( X + Z_i * (1 - M_i) ) + y(X),   Z_i ~ N(0, `sigma`^2)
    L   = 1/N sum_i  s_i M_i / sum_j M_j

y is the class's probability; A is what the first norm of the last block says.  The division by the masks' sum at each
pixel is the paper's correction for pixels that many masks cover.  The map is at the size of the image.
"""

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.cautions import exchanged
from ..words.notation import Maps, Stack, ratio, unit_range
from ..words.signature import method
from .shared.clusters import merged
from .shared.masking import Enlarge, ScoreUnder, Scoring, made_once


@method(display="range", caution=exchanged)
def vit_cx(
    activations: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    distance: float = 0.1,
    sigma: float = 0.1,
    score: Scoring = "probability",
    seed: int = 0,
) -> Maps:
    at_least(0, distance=distance, sigma=sigma)
    masks = unit_range(enlarge(activations))
    found = [merged(one, distance) for one in masks]
    most = max(len(one) for one in found)
    M = torch.stack([torch.cat([one, one.new_zeros(most - len(one), *one.shape[1:])]) for one in found])

    def noise(mask: int) -> Tensor:
        drawn = torch.Generator().manual_seed(seed + mask)
        return sigma * torch.randn(images.shape[1:], generator=drawn, dtype=torch.float32).to(images)

    def pictures(i: Tensor, k: Tensor) -> Tensor:
        """The masked pictures, then the noisy ones, then the photo."""
        one = k % most
        mask = torch.where(_column(k < 2 * most, images), M[i, one][:, None], 1)
        return images[i] * torch.where(_column(k < most, images), mask, 1) + made_once(one, noise) * (1 - mask)

    y = score_under(pictures, 2 * most + 1, probability=score == "probability")
    s = y[:, :most] - y[:, most : 2 * most] + y[:, 2 * most :]
    covered = M.sum(1)
    count = torch.tensor([len(one) for one in found]).to(s)
    total = torch.einsum("nm,nm...->n...", s, M)
    return ratio(total, covered) / count.reshape(-1, *[1] * (covered.ndim - 1))


def _column(x: Tensor, images: Tensor) -> Tensor:
    return x.reshape(-1, *[1] * (images.ndim - 1))
