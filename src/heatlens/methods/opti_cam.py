"""Opti-CAM: Optimizing saliency maps for interpretability.  Hanwei Zhang, Felipe Torres, Ronan Sicre, Yannis Avrithis,
Stephane Ayache.  Computer Vision and Image Understanding 2024, arXiv:2301.07002.

    S(u) = MM( U( sum_k  softmax(u)_k ReLU(A_k) ) ),   MM(x) = (x - min) / (max - min)
    max_u  y( X * S(u) ),   from u = 1/2 by Adam
    L    = S(u)

The map is the mask itself, at the size of the image; X is masked towards black, as in the authors' code, where the
network normalises the picture afterwards; y is a logit there.  `steps` and `rate` are those of their script (the
code's own defaults are 100 and 0.01).  Ten times on the way, an image whose score has fallen since the last time is
finished.
"""

from functools import partial

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.cautions import unfinished_search
from ..words.notation import Maps, Stack, over_space, relu, unit_range
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring


@method(optimises=True, display="range", caution=unfinished_search)
def opti_cam(
    activations: Stack,
    images: Tensor,
    baseline: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    steps: int = 50,
    rate: float = 0.1,
    score: Scoring = "logit",
) -> Maps:
    at_least(0, steps=steps, rate=rate)
    A = relu(activations)

    def mask(u: Tensor) -> Tensor:
        return unit_range(enlarge((over_space(u.softmax(1), A) * A).sum(1, keepdim=True)))

    u = A.new_full(A.shape[:2], 0.5).requires_grad_()
    adam = torch.optim.Adam([u], rate)
    best, found = A.new_full((len(A),), -torch.inf), torch.zeros_like(mask(u.detach()))
    going = torch.ones_like(best, dtype=torch.bool)
    for step in range(steps):
        with torch.enable_grad():
            S = mask(u)
            shown = baseline + S * (images - baseline)
            y = score_under(partial(_shown, shown), 1, probability=score == "probability")[:, 0]
            (u.grad,) = torch.autograd.grad(-y.sum(), u)
        adam.step()
        if step % max(1, steps // 10) == 0:
            stops = going & (y.detach() < best)
            found = torch.where(over_space(stops[:, None], S), S.detach(), found)
            going, best = going & ~stops, y.detach()
            if not going.any():
                break
    return torch.where(over_space(going[:, None], found), mask(u.detach()), found).squeeze(1)


def _shown(masked: Tensor, i: Tensor, k: Tensor) -> Tensor:
    return masked[i]
