"""Class discrimination: There and Back Again: Revisiting Backpropagation Saliency Methods.  Sylvestre-Alvise Rebuffi,
Ruth Fong, Xu Ji, Andrea Vedaldi.  CVPR 2020, arXiv:2004.02866 (its class sensitivity).

    Pearson( R for the model's strongest class, R for its weakest class )

Near 1: the map does not depend on the class.  other=second asks the stricter question, the second strongest class
instead of the weakest, as CASE does (arXiv:2506.07327, which counts the common pixels among the most salient).
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .shared.similarity import pearson


@metric(better="lower")
def class_discrimination(
    ranking: Tensor, explained_class: Callable[[Tensor], Maps], *, other: Literal["weakest", "second"] = "weakest"
) -> Tensor:
    strongest = explained_class(ranking[:, 0])
    compared = explained_class(ranking[:, -1 if other == "weakest" else 1])
    return pearson(strongest.flatten(1), compared.flatten(1))
