"""Deletion: RISE: Randomized Input Sampling for Explanation of Black-box Models.  Vitali Petsiuk, Abir Das, Kate
Saenko.  BMVC 2018, arXiv:1806.07421.

    X_k = X with the k * step most salient pixels replaced by 0,   k = 0 .. K = ceil(H W / step)
    AUC = ( sum_k p_c(X_k)  -  (p_c(X_0) + p_c(X_K)) / 2 ) / K

0 in the model's units is the mean colour, where images are normalised.  step = 224 is one row of a 224 x 224 image, the
authors'.  Other libraries differ: torch-cam takes 20 steps, Group-CAM step=448, Recipro-CAM fill=mean.  `curve` gives
the p_c themselves.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .shared.replacing import Fill, Scored, area, filled, mean_area
from .shared.replacing import curve as replaced


@metric(better="lower", summary=mean_area)
def deletion(
    images: Tensor,
    attribution: Maps,
    confidence_under: Scored,
    *,
    step: int = 224,
    fill: Fill = "zero",
    blur: int = 11,
    sigma: float = 5.0,
    curve: bool = False,
) -> Tensor:
    found = replaced(images, filled(images, fill, blur, sigma), attribution, step, confidence_under)
    return found if curve else area(found)
