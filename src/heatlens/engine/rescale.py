"""DeepLIFT's Rescale rule: multipliers (f(x) - f(x0)) / (x - x0), where batches hold x first and x0 second.

Shrikumar, Greenside, Kundaje, ICML 2017, arXiv:1704.02685.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Operation = Callable[..., Any]

_ELEMENTWISE = (
    F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu,
    F.silu, F.mish, F.softplus, F.hardswish, F.hardsigmoid, F.hardtanh, F.relu6, torch.sigmoid, Tensor.sigmoid,
    F.sigmoid, torch.tanh, Tensor.tanh, F.tanh,
)  # fmt: skip
_IN_PLACE = frozenset({F.relu_, torch.relu_, Tensor.relu_})
_POOLS = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_CLOSE = 1e-6
"""Where x and x0 are closer than this share of the largest difference, the derivative is taken."""


class _Rescaled(torch.autograd.Function):
    """An elementwise function with its multiplier for a derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            out = function(leaf)
            (slope,) = torch.autograd.grad(out.sum(), leaf)
        out = out.detach()
        step, rise = _difference(x), _difference(out)
        near = step.abs() <= _CLOSE * step.abs().max()
        multiplier = torch.where(near, slope[: len(step)], rise / step.masked_fill(near, 1))
        ctx.save_for_backward(torch.cat([multiplier, multiplier]))
        return out

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None]:
        (multiplier,) = ctx.saved_tensors
        return flow * multiplier, None


class _Pooled(torch.autograd.Function):
    """Max pooling: the window's difference goes to the place of its maximum, or, where that did not move, to the
    place of the reference's maximum, so that nothing is lost."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        out, places = function(x)
        half = len(x) // 2
        step = _difference(x).flatten(2)
        mine, reference = places[:half].flatten(2), places[half:].flatten(2)
        moved = step.gather(2, mine) != 0
        at = torch.where(moved, mine, reference)
        moved_by = step.gather(2, at)
        rise = _difference(out).flatten(2)
        ctx.save_for_backward(at, torch.where(moved_by == 0, 0, rise / moved_by.masked_fill(moved_by == 0, 1)))
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
    inplace = bool(kwargs.pop("inplace", False)) or func in _IN_PLACE
    pure = F.relu if func in _IN_PLACE else func
    args = tuple(a for a in args if not isinstance(a, bool))
    out: Tensor = _Rescaled.apply(x, lambda t: pure(t, *args, **kwargs))
    return x.copy_(out) if inplace else out


def _max_pool(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    kwargs.pop("return_indices", None)
    out: Tensor = _Pooled.apply(x, lambda t: func(t, *args, **kwargs, return_indices=True))
    return out


ANSWERS: dict[Operation, Callable[..., Any]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_POOLS, _max_pool),
}
