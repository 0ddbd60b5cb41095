"""The explanation map's picture X * L, and what the model says of it beside the whole picture."""

import torch
from torch import Tensor

from ...methods.shared.masking import Scoring
from ...words.notation import Maps
from .replacing import Scored


def beside_masked(
    images: Tensor, heat: Maps, confidence_under: Scored, score_under: Scored, score: Scoring = "probability"
) -> tuple[Tensor, Tensor]:
    """Y of X and O of X * L, (n,) each, in one call, so that X * 1 is worth exactly what X is."""

    both = torch.stack([torch.ones_like(heat), heat], 1)[:, :, None]

    def either(i: Tensor, k: Tensor) -> Tensor:
        return images[i] * both[i, k]

    scored = confidence_under if score == "probability" else score_under
    whole, masked = scored(either, 2).unbind(1)
    return whole, masked
