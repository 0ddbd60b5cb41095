"""Increase in Confidence: Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks.
Aditya Chattopadhay, Anirban Sarkar, Prantik Howlader, Vineeth N. Balasubramanian.  WACV 2018, arXiv:1710.11063.

    100  where  p_c(X) < p_c(X * L),  else 0

The mean over photos is the percentage of photos for which the explained part alone convinces the model more.
"""

from torch import Tensor

from ..methods.shared.masking import Scoring
from ..words.metric import metric
from ..words.notation import Maps
from .shared.masked import beside_masked
from .shared.replacing import Scored


@metric(better="higher")
def increase_in_confidence(
    images: Tensor, heat: Maps, confidence_under: Scored, score_under: Scored, *, score: Scoring = "probability"
) -> Tensor:
    whole, masked = beside_masked(images, heat, confidence_under, score_under, score)
    return 100 * (whole < masked).to(whole)
