"""The explanation map's picture X * L, and what the model says of it beside the whole picture."""

from torch import Tensor

from ...methods.shared.masking import Scoring
from ...words.notation import Maps
from .replacing import Scored


def beside_masked(
    images: Tensor, heat: Maps, confidence_under: Scored, score_under: Scored, score: Scoring = "probability"
) -> tuple[Tensor, Tensor]:
    """Y of X and O of X * L, (n,) each, in one call, so that X * 1 is worth exactly what X is."""

    def either(image: int, k: Tensor) -> Tensor:
        shown = heat[image].new_ones(2, 1, *heat.shape[1:])
        shown[1, 0] = heat[image]
        return images[image] * shown[k]

    scored = confidence_under if score == "probability" else score_under
    whole, masked = scored(either, 2).unbind(1)
    return whole, masked
