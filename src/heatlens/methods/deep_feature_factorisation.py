"""Deep Feature Factorization For Concept Discovery.  Edo Collins, Radhakrishna Achanta, Sabine Süsstrunk.  ECCV 2018,
arXiv:1806.10206.

    V = ReLU(A) as a matrix (all places of all images x channels)
    min |V - W H|^2  over W, H >= 0
    H <- H * (W^T V) / (W^T W H),   W <- W * (V H^T) / (W H H^T)      (Lee and Seung's multiplicative updates)

A row of H is a concept, the column of W its heatmap over all images together.  The map shown is the `concept`-th
column, 0 being the concept with the largest share |W_k| |H_k| of the features.

Where the updates end depends on where they start.  `start="singular"` is sqrt(s) |u| and sqrt(s) |v| of the first
singular pairs of V, zeros replaced by its mean: NNDSVDa (Boutsidis, Gallopoulos, Pattern Recognition 2008) without its
choice between the two halves of a pair, which a small change can turn.  The same photos always end in the same
concepts.  `start="random"` is the authors' W = |N(0,1)| sqrt(mean V / K), with H even, so that the order of the
channels plays no part; it leaves the neighbourhood of a saddle in a direction that rounding chooses, and a change of a
thousandth of the photo can exchange the concepts.  Double precision throughout; the start is held fixed when a map is
differentiated.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..words.bounds import at_least
from ..words.errors import BadSetting
from ..words.notation import Maps, Stack, ratio, relu
from ..words.signature import method

Start = Literal["singular", "random"]


@method(joint=True)
def deep_feature_factorisation(
    activations: Stack,
    *,
    concepts: int = 4,
    concept: int = 0,
    iterations: int = 200,
    start: Start = "singular",
    seed: int = 0,
) -> Maps:
    if not 0 <= concept < concepts:
        raise BadSetting(f"the setting concept={concept}", f"0 to {concepts - 1}, with concepts={concepts}")
    return factorise(activations, concepts=concepts, iterations=iterations, start=start, seed=seed)[0][:, concept]


def factorise(
    activations: Stack, *, concepts: int = 4, iterations: int = 200, start: Start = "singular", seed: int = 0
) -> tuple[Stack, Tensor]:
    """Every heatmap `(n, concepts, *space)` and every concept `(concepts, c)`, of length 1, the strongest first."""
    at_least(1, concepts=concepts, iterations=iterations)
    V = relu(activations).movedim(1, -1).flatten(0, -2).double()
    W, H = _singular(V, concepts) if start == "singular" else _random(V, concepts, seed)
    least = (V.mean() / concepts).sqrt() * torch.finfo(V.dtype).eps ** 2  # what sank to 0 could not come back
    for _ in range(iterations):
        H = (H * ratio(W.T @ V, W.T @ W @ H)).clamp(min=least)
        W = (W * ratio(V @ H.T, W @ (H @ H.T))).clamp(min=least)
    length = H.norm(dim=1, keepdim=True)
    W, H = W * length.T, ratio(H, length)
    order = W.norm(dim=0).argsort(descending=True, stable=True)
    heatmaps = W[:, order].reshape(len(activations), *activations.shape[2:], concepts)
    return heatmaps.movedim(-1, 1).to(activations), H[order].to(activations)


def _random(V: Tensor, concepts: int, seed: int) -> tuple[Tensor, Tensor]:
    level = (V.mean() / concepts).sqrt()
    drawn = torch.randn(len(V), concepts, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    return drawn.abs().to(V) * level, level.expand(concepts, V.shape[1])


def _singular(V: Tensor, concepts: int) -> tuple[Tensor, Tensor]:
    """sqrt(s) |u|, sqrt(s) |v| of each singular pair."""
    u, s, v = _decomposed(V.detach())
    W, H = (_started(x.abs() * s.sqrt(), concepts, V.mean()) for x in (u, v))
    return W, H.T


def _started(columns: Tensor, concepts: int, fill: Tensor) -> Tensor:
    """As many columns as there are concepts; what is zero, and what is missing, is filled."""
    columns = F.pad(columns[:, :concepts], (0, max(0, concepts - columns.shape[1])))
    return torch.where(columns == 0, fill.detach(), columns)


def _decomposed(V: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u, s and v as columns, from the smaller of the two Gram matrices."""
    wide = V.shape[0] < V.shape[1]
    tall = V.T if wide else V
    squares, right = torch.linalg.eigh(tall.T @ tall)
    right, s = right.flip(-1), relu(squares.flip(-1)).sqrt()
    left = ratio(tall @ right, s)
    return (right, s, left) if wide else (left, s, right)
