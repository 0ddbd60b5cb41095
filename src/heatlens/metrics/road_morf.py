"""ROAD, most relevant first: A Consistent and Efficient Evaluation Strategy for Attribution Methods.  Yao Rong, Tobias
Leemann, Vadim Borisov, Gjergji Kasneci, Enkelejda Kasneci.  ICML 2022, arXiv:2202.00449.

    mean over the percents of  p_c(X, the p % most salient pixels imputed)

Removed pixels are filled by noisy linear imputation, so that the shape of what is removed tells nothing.  The noise is
in the model's units.  The paper's accuracy over a data set is the share of photos whose prediction stays; this is the
probability, which its code reports beside it.  `curve` gives it for each percent.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .road import PERCENTS
from .shared.imputing import after_removal
from .shared.replacing import Scored


@metric(better="lower")
def road_morf(
    images: Tensor,
    attribution: Maps,
    confidence_under: Scored,
    *,
    percents: tuple[float, ...] = PERCENTS,
    noise: float = 0.01,
    seed: int = 0,
    curve: bool = False,
) -> Tensor:
    found = after_removal(images, attribution, confidence_under, percents, noise, seed)
    return found if curve else found.mean(1)
