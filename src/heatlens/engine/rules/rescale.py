"""DeepLIFT's Rescale rule: multipliers (f(x) - f(x0)) / (x - x0), where batches hold x first and x0 second.

Shrikumar, Greenside, Kundaje, ICML 2017, arXiv:1704.02685.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...words.notation import extremes, ratio
from ...words.trees import map_tensors
from ..passes.derivatives import precise
from .operations import ELEMENTWISE, Operation, spelt

_POOLS = spelt("max_pool1d", "max_pool2d", "max_pool3d")
_INDEXED = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_CLOSE = 1e-6
"""Where x and x0 are closer than this share of the largest difference, the derivative is taken."""


class _Rescaled(torch.autograd.Function):
    """An elementwise function with its multiplier, reckoned in float32 at least, for a derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            leaf = precise(x.detach()).clone().requires_grad_()
            out = function(leaf)
            (slope,) = torch.autograd.grad(out.sum(), leaf)
        step, rise = _difference(leaf.detach()), _difference(out.detach())
        near = step.abs() <= _CLOSE * extremes(step.abs())[1]
        multiplier = torch.where(near, slope[: len(step)], rise / step.masked_fill(near, 1))
        ctx.save_for_backward(torch.cat([multiplier, multiplier]).to(x.dtype))
        return out.detach().to(x.dtype)

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None]:
        (multiplier,) = ctx.saved_tensors
        return flow * multiplier, None


class _Pooled(torch.autograd.Function):
    """Max pooling: what the window rose goes to the place of its maximum, what it fell to that of the reference's.

    max x - max x0 lies between the steps at these two places, so that no multiplier is above 1.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        out, places = function(x)
        half = len(x) // 2
        step = _difference(x).flatten(2)
        mine, reference = places[:half].flatten(2), places[half:].flatten(2)
        rise = _difference(out).flatten(2)
        at = torch.where(rise > 0, mine, reference)
        ctx.save_for_backward(at, ratio(rise, step.gather(2, at)))
        ctx.shape = x.shape
        return out

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None]:
        at, multiplier = ctx.saved_tensors
        half = len(flow) // 2
        into = flow.new_zeros(half, ctx.shape[1], int(torch.Size(ctx.shape[2:]).numel()))
        into.scatter_add_(2, at, flow[:half].flatten(2) * multiplier)
        into = into.reshape(half, *ctx.shape[1:])
        return torch.cat([into, torch.zeros_like(into)]), None


def _difference(x: Tensor) -> Tensor:
    half = len(x) // 2
    return x[:half] - x[half:]


def _elementwise(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    args = map_tensors(lambda weights: precise(weights.detach()), args)
    out: Tensor = _Rescaled.apply(x, lambda t: func(t, *args, **kwargs))
    return out


def _max_pool(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    kwargs.pop("return_indices", None)
    out: Tensor = _Pooled.apply(x, lambda t: _INDEXED[t.ndim - 2](t, *args, **kwargs, return_indices=True))
    return out


ANSWERS: dict[Operation, Callable[..., Any]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_POOLS, _max_pool),
}
