"""Parameter randomisation: Sanity Checks for Saliency Maps.  Julius Adebayo, Justin Gilmer, Michael Muelly, Ian
Goodfellow, Moritz Hardt, Been Kim.  NeurIPS 2018, arXiv:1810.03292.

    similarity( R(X), R(X) of the network with weights drawn anew ),  the mean over the layers

cascading: the layers are drawn anew one after the other, from the outputs down, and stay so; independent: each alone.
Weights are drawn as before training, in a private copy.  A map that stays does not show what the network has learned.
`curve` gives the similarity after every layer, the last layer first.  spearman compares ranks with signs, spearman_abs
without; ssim and hog (the correlation of the histograms of gradients) need scikit-image.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from ..words.metric import metric
from ..words.notation import Maps
from .shared.similarity import Similarity, similar


@metric(better="lower")
def parameter_randomisation(
    attribution: Maps,
    randomised: Callable[[str, int], Iterator[tuple[str, Maps]]],
    *,
    scheme: Literal["cascading", "independent"] = "cascading",
    similarity: Similarity = "spearman",
    seed: int = 0,
    curve: bool = False,
) -> Tensor:
    found = torch.stack([similar(attribution, again, similarity) for _, again in randomised(scheme, seed)], 1)
    return found if curve else found.mean(1)
