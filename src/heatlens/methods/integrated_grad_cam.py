"""Integrated Grad-CAM: Sensitivity-Aware Visual Explanation of Deep Convolutional Networks via Integrated
Gradient-Based Scoring.  Sam Sattarzadeh, Mahesh Sudhakar, Konstantinos N. Plataniotis, Jongseong Jang, Yeonjeong
Jeong, Hyunwoo Kim.  ICASSP 2021, arXiv:2102.07805.

    X_t = X_0 + t (X - X_0),   X_0 = black
    L   = ReLU( integral_0^1 sum_k  w_k(t) ( A_k(X_t) - A_k(X_0) ) dt ),   w_k(t) = 1/Z sum_ij dy/dA_k(i,j) at X_t

The integral is the mean over t = 1/n, 2/n, ..., 1.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, along_path, channel_sum, relu, spatial_mean
from ..words.signature import method


@method
def integrated_grad_cam(
    images: Tensor,
    baseline: Tensor,
    perturbed: Callable[[Iterable[Tensor]], Iterator[tuple[Stack, Stack]]],
    *,
    steps: int = 20,
) -> Maps:
    at_least(1, steps=steps)
    looks = iter(perturbed(chain([baseline], along_path(baseline, images, steps=steps))))
    start, _ = next(looks)
    total = start.new_zeros(())
    for A, G in looks:
        total = total + channel_sum(spatial_mean(G) * (A - start)) / steps
    return relu(total)
