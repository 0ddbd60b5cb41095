"""Random logit: When Explanations Lie: Why Many Modified BP Attributions Fail.  Leon Sixt, Maximilian Granz, Tim
Landgraf.  ICML 2020, arXiv:1912.09818.

    similarity( R for the class c, R for another class drawn at random )

A map that hardly changes with the class explains something else than the class.  Every image meets the same draw among
the classes that are not its own.  The paper's similarity is ssim, on maps from 0 to 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..words.errors import EvidenceMissing
from ..words.metric import metric
from ..words.notation import Maps
from .shared.similarity import Similarity, similar


@metric(better="lower")
def random_logit(
    attribution: Maps,
    classes: Tensor,
    ranking: Tensor,
    explained_class: Callable[[Tensor], Maps],
    *,
    similarity: Similarity = "ssim",
    seed: int = 0,
) -> Tensor:
    others = ranking.shape[1] - 1
    if others < 1:
        raise EvidenceMissing("the model knows one class only", "another class to explain")
    draw = torch.randint(others, (1,), generator=torch.Generator().manual_seed(seed)).to(classes)
    return similar(attribution, explained_class(draw + (draw >= classes)), similarity)
