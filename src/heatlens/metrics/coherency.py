"""Coherency: Revisiting the Evaluation of Class Activation Mapping for Explainability: A Novel Metric and Experimental
Analysis.  Samuele Poppi, Marcella Cornia, Lorenzo Baraldi, Rita Cucchiara.  CVPR Workshops 2021, arXiv:2104.10252.

    ( Pearson( L(X * L), L(X) ) + 1 ) / 2,  0 where either map is constant

L(X * L) explains the same class in the picture that the map leaves over.  The Recipro-CAM authors compare the coarse
maps instead.
"""

from collections.abc import Callable

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps, extremes
from .shared.similarity import pearson


@metric(better="higher")
def coherency(images: Tensor, heat: Maps, heat_of: Callable[[Tensor], Maps]) -> Tensor:
    again = heat_of(images * heat[:, None])
    defined = _varies(heat) & _varies(again)
    return ((pearson(heat.flatten(1), again.flatten(1)) + 1) / 2).masked_fill(~defined, 0)


def _varies(maps: Maps) -> Tensor:
    low, high = extremes(maps)
    return (high > low).flatten()
