"""Deep Feature Factorization For Concept Discovery.  Edo Collins, Radhakrishna Achanta, Sabine Süsstrunk.  ECCV 2018,
arXiv:1806.10206.

    V = ReLU(A) as a matrix (all places of all images x channels)
    min |V - W H|^2  over W, H >= 0
    H <- H * (W^T V) / (W^T W H),   W <- W * (V H^T) / (W H H^T)      (Lee and Seung's multiplicative updates)

A row of H is a concept, the column of W its heatmap over all images together.  The map shown is the `concept`-th
column, 0 being the concept with the largest share |W_k| |H_k| of the features.  W starts as |N(0,1)| sqrt(mean V /
K); H starts even, so that the order of the channels plays no part.
"""

import torch
from torch import Tensor

from ..errors import BadSetting
from ..notation import Maps, Stack, ratio, relu
from ..registry import at_least, method


@method(joint=True)
def deep_feature_factorisation(
    activations: Stack, *, concepts: int = 4, concept: int = 0, iterations: int = 200, seed: int = 0
) -> Maps:
    if not 0 <= concept < concepts:
        raise BadSetting(f"the setting concept={concept}", f"0 to {concepts - 1}, with concepts={concepts}")
    return factorise(activations, concepts=concepts, iterations=iterations, seed=seed)[0][:, concept]


def factorise(activations: Stack, *, concepts: int = 4, iterations: int = 200, seed: int = 0) -> tuple[Stack, Tensor]:
    """Every heatmap `(n, concepts, *space)` and every concept `(concepts, c)`, of length 1, the strongest first."""
    at_least(1, concepts=concepts, iterations=iterations)
    V = relu(activations).movedim(1, -1).flatten(0, -2)
    start = torch.randn(len(V), concepts, generator=torch.Generator().manual_seed(seed)).abs().to(V)
    level = (V.mean() / concepts).sqrt()
    W, H = start * level, level.expand(concepts, V.shape[1])
    least = level * torch.finfo(V.dtype).eps ** 2  # what sank to 0 in single precision could not come back
    for _ in range(iterations):
        H = (H * ratio(W.T @ V, W.T @ W @ H)).clamp(min=least)
        W = (W * ratio(V @ H.T, W @ (H @ H.T))).clamp(min=least)
    length = H.norm(dim=1, keepdim=True)
    W, H = W * length.T, ratio(H, length)
    order = W.norm(dim=0).argsort(descending=True, stable=True)
    heatmaps = W[:, order].reshape(len(activations), *activations.shape[2:], concepts)
    return heatmaps.movedim(-1, 1), H[order]
