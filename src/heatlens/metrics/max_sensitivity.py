"""Max-sensitivity: On the (In)fidelity and Sensitivity of Explanations.  Chih-Kuan Yeh, Cheng-Yu Hsieh, Arun Sai
Suggala, David I. Inouye, Pradeep Ravikumar.  NeurIPS 2019, arXiv:1901.09392.

    max over d, |d|_inf <= radius, of  || R(X + d) - R(X) || / || R(X) ||

d is uniform noise in the model's units, drawn `samples` times; the class stays.  NaN where R(X) is blank.  The authors
take 50 samples within 0.2 (Quantus 200, captum 10 within 0.02); their code divides the largest norm anew at every draw,
this does it once.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.metric import metric
from ..words.notation import Maps


@metric(better="lower")
def max_sensitivity(
    images: Tensor,
    attribution: Maps,
    explained: Callable[[Tensor], Maps],
    *,
    samples: int = 50,
    radius: float = 0.2,
    seed: int = 0,
) -> Tensor:
    at_least(1, samples=samples)
    at_least(0, radius=radius)
    generator = torch.Generator().manual_seed(seed)
    largest = torch.zeros(len(images)).to(attribution)
    for _ in range(samples):
        d = (2 * torch.rand(images.shape[1:], generator=generator, dtype=torch.float32) - 1) * radius
        change = explained(images + d.to(images)) - attribution
        largest = torch.maximum(largest, change.flatten(1).norm(dim=1))
    own: Tensor = attribution.flatten(1).norm(dim=1)
    found: Tensor = largest / own
    return found.masked_fill(own == 0, torch.nan)
