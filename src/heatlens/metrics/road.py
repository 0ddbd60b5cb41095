"""ROAD, both orders: A Consistent and Efficient Evaluation Strategy for Attribution Methods.  Yao Rong, Tobias Leemann,
Vadim Borisov, Gjergji Kasneci, Enkelejda Kasneci.  ICML 2022, arXiv:2202.00449.

    mean over the percents of  ( p_c(X, the p % least salient imputed) - p_c(X, the p % most salient imputed) ) / 2

The difference is pytorch-grad-cam's way to make one number of the two orders, and so are the percents; the paper shows
both curves.  Removed pixels are filled by noisy linear imputation, so that the shape of what is removed tells nothing.
The noise is in the model's units.  `curve` gives the difference for each percent.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .shared.imputing import after_removal
from .shared.replacing import Scored

PERCENTS = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)


@metric(better="higher")
def road(
    images: Tensor,
    attribution: Maps,
    confidence_under: Scored,
    *,
    percents: tuple[float, ...] = PERCENTS,
    noise: float = 0.01,
    seed: int = 0,
    curve: bool = False,
) -> Tensor:
    most = after_removal(images, attribution, confidence_under, percents, noise, seed)
    least = after_removal(images, -attribution, confidence_under, percents, noise, seed)
    return (least - most) / 2 if curve else ((least - most) / 2).mean(1)
