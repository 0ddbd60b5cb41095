"""CAMERAS: Enhanced Resolution And Sanity preserving Class Activation Mapping for image saliency.  Mohammad A. A. K.
Jalwana, Naveed Akhtar, Mohammed Bennamoun, Ajmal Mian.  CVPR 2021, arXiv:2106.10649.

    X_t = X enlarged to the sizes 1 .. `largest` (bicubic),   t = 1 .. `scales`
    L   = ReLU( sum_k  1/T sum_t U(A_k(X_t))  *  1/T sum_t U(dy/dA_k at X_t) ),   U to the size of X

The defaults are the authors' 224, 324, ... 924 pixels for an image of 224.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, relu, resize
from ..words.signature import method
from .shared.masking import Enlarge


@method
def cameras(
    images: Tensor,
    enlarge: Enlarge,
    perturbed: Callable[[Iterable[Tensor]], Iterator[tuple[Stack, Stack]]],
    *,
    scales: int = 8,
    largest: float = 4.125,
) -> Maps:
    at_least(1, scales=scales, largest=largest)
    factors = [1 + (largest - 1) * t / max(1, scales - 1) for t in range(scales)]
    looks = list(perturbed(_enlarged(images, factor) for factor in factors))
    total = images.new_zeros(len(images), *images.shape[2:])
    for k in range(0, looks[0][0].shape[1], 16):  # a few channels at a time: all of them at this size fill the memory
        A, G = (torch.stack([enlarge(look[which][:, k : k + 16]) for look in looks]).mean(0) for which in (0, 1))
        total = total + (A * G).sum(1)
    return relu(total)


def _enlarged(images: Tensor, factor: float) -> Tensor:
    size = tuple(round(factor * length) for length in images.shape[2:])
    if len(size) != 2:
        return resize(images, size)  # cubic interpolation is there for pictures alone
    return images if factor == 1 else F.interpolate(images, size, mode="bicubic", align_corners=False)
