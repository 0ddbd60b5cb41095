"""Average Gain: Opti-CAM: Optimizing saliency maps for interpretability.  Hanwei Zhang, Felipe Torres, Ronan Sicre,
Yannis Avrithis, Stephane Ayache.  CVIU 2024, arXiv:2301.07002.

    Y = p_c(X),  O = p_c(X * L)
    100 max(0, O - Y) / (1 - Y),  0 where Y is 1

In per cent.  It is to Average Drop what a gain is to a loss: a map of ones scores 0 at both.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps, ratio, relu
from .shared.masked import beside_masked
from .shared.replacing import Scored


@metric(better="higher")
def average_gain(images: Tensor, heat: Maps, confidence_under: Scored) -> Tensor:
    whole, masked = beside_masked(images, heat, confidence_under, confidence_under)
    return 100 * ratio(relu(masked - whole), 1 - whole)
