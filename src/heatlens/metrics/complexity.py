"""Complexity: Revisiting the Evaluation of Class Activation Mapping for Explainability: A Novel Metric and Experimental
Analysis.  Samuele Poppi, Marcella Cornia, Lorenzo Baraldi, Rita Cucchiara.  CVPR Workshops 2021, arXiv:2104.10252.

    sum_ij L_ij / (H W)

The share of the picture that the map in [0, 1] keeps.
"""

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps


@metric(better="lower")
def complexity(heat: Maps) -> Tensor:
    return heat.flatten(1).mean(1)
