"""ROAD, least relevant first: A Consistent and Efficient Evaluation Strategy for Attribution Methods.  Yao Rong, Tobias
Leemann, Vadim Borisov, Gjergji Kasneci, Enkelejda Kasneci.  ICML 2022, arXiv:2202.00449.

    mean over the percents of  p_c(X, the p % least salient pixels imputed)

The released code counts the other way round: its LeRF at p keeps the p % most salient.  Equal pixels are removed in
raster order; that code breaks ties by noise.  `curve` gives the probability for each percent.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .road import PERCENTS
from .shared.imputing import after_removal
from .shared.replacing import Scored


@metric(better="higher")
def road_lerf(
    images: Tensor,
    attribution: Maps,
    confidence_under: Scored,
    *,
    percents: tuple[float, ...] = PERCENTS,
    noise: float = 0.01,
    seed: int = 0,
    curve: bool = False,
) -> Tensor:
    found = after_removal(images, -attribution, confidence_under, percents, noise, seed)
    return found if curve else found.mean(1)
