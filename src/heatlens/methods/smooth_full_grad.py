"""SmoothFullGrad, from the code of FullGrad's authors.  Suraj Srinivas, Francois Fleuret.  2019, with arXiv:1905.00780.

    X_i = X + N(0, s^2),   s = sigma (max X - min X),   i = 1 .. n
    L   = psi( sum_k 1/n sum_i X_i * dy/dX_i ) + sum_l sum_k psi( 1/n sum_i b_l * dy/dz_l ),   psi(m) = U( MM(|m|) )

Not in the paper.  The terms are averaged with their signs; unlike FullGrad, the code sums the first one over the
colours before psi.
"""

from collections.abc import Callable

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, noisy
from ..words.signature import method
from .full_grad import aggregated


@method
def smooth_full_grad(
    images: Tensor,
    full_gradients: Callable[[Tensor], list[Stack]],
    *,
    samples: int = 25,
    sigma: float = 0.15,
    seed: int = 0,
) -> Maps:
    at_least(1, samples=samples)
    at_least(0, sigma=sigma)
    looks = map(full_gradients, noisy(images, samples=samples, sigma=sigma, seed=seed))
    sums = next(looks)
    for look in looks:
        sums = [a + b for a, b in zip(sums, look, strict=True)]
    first, *rest = (term / samples for term in sums)
    return aggregated([first.sum(1, keepdim=True), *rest], images)
