"""Layer integrated gradients: Axiomatic Attribution for Deep Networks.  Mukund Sundararajan, Ankur Taly, Qiqi Yan.
ICML 2017, arXiv:1703.01365.

    IG_k(i,j) = A_k(i,j)  integral_0^1 dy/dA_k(i,j) at t A  dt
    L         = sum_k  IG_k

From the layer's zero to its activations; the integral is the mean over `steps` midpoints.  Complete: sum_ij L tends
to y(A) - y(0), and what speaks against the class is part of that sum, hence no ReLU.
"""

from collections.abc import Callable

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, channel_sum
from ..words.signature import method


@method(signed=True)
def layer_integrated_gradients(
    activations: Stack,
    gradients_with: Callable[[Callable[[Stack, Tensor], Stack], int], Stack],
    *,
    steps: int = 32,
) -> Maps:
    at_least(1, steps=steps)

    def along(stack: Stack, step: Tensor) -> Stack:
        t = (step.to(stack) + 0.5) / steps
        return t.reshape(-1, *[1] * (stack.ndim - 1)) * stack

    return channel_sum(activations * gradients_with(along, steps))
