"""RISE: Randomized Input Sampling for Explanation of Black-box Models.  Vitali Petsiuk, Abir Das, Kate Saenko.  BMVC
2018, arXiv:1806.07421.

    M_i = a grid of `cells` x `cells`, each 1 with probability p and else 0, enlarged linearly to one cell more than the
          image along each axis and cut to the image at a random place within that cell
    L   = 1/(N p) sum_i  y(X * M_i) M_i

y is the class's probability.  N = 4000 is the paper's number for VGG-16 (8000 for ResNet-50), so this is the most
expensive method here; a few hundred `samples` already give a rough map.  Every image meets the same masks.
"""

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.errors import BadSetting
from ..words.notation import Maps, resize
from ..words.signature import method
from .shared.masking import ScoreUnder, Scoring, sum_over


@method
def rise(
    images: Tensor,
    score_under: ScoreUnder,
    *,
    samples: int = 4000,
    cells: int = 7,
    p: float = 0.5,
    score: Scoring = "probability",
    seed: int = 0,
) -> Maps:
    at_least(1, samples=samples, cells=cells)
    if not 0 < p <= 1:
        raise BadSetting(f"the setting p={p}", "above 0 and at most 1")
    size, generator = images.shape[2:], torch.Generator().manual_seed(seed)
    grids = (torch.rand(samples, 1, *[cells] * len(size), generator=generator, dtype=torch.float32) < p).to(images)
    cell = [-(-length // cells) for length in size]
    shifts = [torch.randint(side, (samples,), generator=generator).to(images.device) for side in cell]

    def mask(k: Tensor) -> Tensor:
        M = resize(grids[k], tuple((cells + 1) * side for side in cell))
        for axis, (length, shift) in enumerate(zip(size, shifts, strict=True), 2):
            place = shift[k][:, None] + torch.arange(length, device=k.device)
            shape = [len(k), *[1] * (M.ndim - 1)]
            shape[axis] = length
            M = M.gather(axis, place.reshape(shape).expand(*M.shape[:axis], length, *M.shape[axis + 1 :]))
        return M

    y = score_under(lambda i, k: images[i] * mask(k.to(images.device)), samples, probability=score == "probability")
    return (sum_over(y, mask) / (samples * p)).reshape(len(images), *size)
