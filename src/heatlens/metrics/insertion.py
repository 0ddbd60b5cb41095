"""Insertion: RISE: Randomized Input Sampling for Explanation of Black-box Models.  Vitali Petsiuk, Abir Das, Kate
Saenko.  BMVC 2018, arXiv:1806.07421.

    X_k = the blurred picture with the k * step most salient pixels of X put in,   k = 0 .. K = ceil(H W / step)
    AUC = ( sum_k p_c(X_k)  -  (p_c(X_0) + p_c(X_K)) / 2 ) / K

The blur is the authors', 11 x 11 places and sigma 5.  Other libraries differ: torch-cam starts from zeros (fill=zero)
in 20 steps, Group-CAM takes step=448, blur=51, sigma=50.  `curve` gives the p_c themselves.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .shared.replacing import Fill, Scored, area, filled, mean_area
from .shared.replacing import curve as replaced


@metric(better="higher", summary=mean_area)
def insertion(
    images: Tensor,
    attribution: Maps,
    confidence_under: Scored,
    *,
    step: int = 224,
    fill: Fill = "blurred",
    blur: int = 11,
    sigma: float = 5.0,
    curve: bool = False,
) -> Tensor:
    found = replaced(filled(images, fill, blur, sigma), images, attribution, step, confidence_under)
    return found if curve else area(found)
