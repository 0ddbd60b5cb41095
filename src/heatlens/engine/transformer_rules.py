"""Relevance through transformers; autograd carries it in the place of gradients.

Two sets of rules.  `TRANSFORMER` (Chefer, Gur, Wolf, CVPR 2021, arXiv:2012.09838): z+ without biases for dense layers,
shares for sums, each side's total then settled by its magnitude, half of the shares for each factor of a product, and
pass-through for everything element by element.  `AttnLRP` (Achtibat et al., ICML 2024, arXiv:2402.05602): gamma rules
for dense layers and convolutions, shares for sums, half of the shares for each factor of a product, x (R - s sum R)
for s = softmax(x), and pass-through for everything element by element.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..notation import ratio
from . import relevance
from .attending import PRODUCTS, SOFTMAXES

Operation = Callable[..., Any]
Answer = Callable[..., Any]


class _Rule(torch.autograd.Function):
    """`out` forward, back(R, *inputs) -> one relevance an input backward."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, back: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> Tensor:
        ctx.back = back
        ctx.save_for_backward(*inputs)
        return out.clone()

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.back(flow, *ctx.saved_tensors)


def _ruled(out: Tensor, back: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> Tensor:
    found: Tensor = _Rule.apply(out.detach(), back, *inputs)
    return found


def _pulled(function: Callable[..., Tensor], flow: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """x * d(function)/dx . R / function: the share of every input."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        out = function(*leaves)
        slopes = torch.autograd.grad(out, leaves, ratio(flow, out).detach())
    return tuple(x * slope for x, slope in zip(inputs, slopes, strict=True))


def _product(func: Operation, a: Tensor, b: Tensor) -> Tensor:
    """Half of its share for each factor; all of it where the other is constant."""
    out = func(a.detach(), b.detach())
    if a.requires_grad and b.requires_grad:
        return _ruled(out, lambda R, *x: tuple(part / 2 for part in _pulled(func, R, *x)), a, b)
    if b.requires_grad:
        return _ruled(out, lambda R, x: _pulled(lambda one: func(a.detach(), one), R, x), b)
    return _ruled(out, lambda R, x: _pulled(lambda one: func(one, b.detach()), R, x), a) if a.requires_grad else out


def _shared(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return _ruled(func(x.detach(), *args, **kwargs), partial(_pulled, lambda t: func(t, *args, **kwargs)), x)


def _times(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Half for each of two factors that depend on the images; a constant takes nothing."""
    moving = [x for x in (a, b) if isinstance(x, Tensor) and x.requires_grad]
    plain = [x.detach() if isinstance(x, Tensor) else x for x in (a, b)]
    out = func(*plain, *args, **kwargs)
    if not moving:
        return out
    return _ruled(out, lambda R, *x: tuple(_as(R / len(x), one) for one in x), *moving)


def _over(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """All for the numerator; a scale is not what is scaled."""
    constant = b.detach() if isinstance(b, Tensor) else b
    if not (isinstance(a, Tensor) and a.requires_grad):
        return func(a, constant, *args, **kwargs)
    return _ruled(func(a.detach(), constant, *args, **kwargs), lambda R, x: (_as(R, x),), a)


def _as(R: Tensor, x: Tensor) -> Tensor:
    """R for an input that was spread over more places than it has."""
    return R if R.shape == x.shape else R.sum_to_size(x.shape)


def _settled_sum(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Shares; each side's total is then set to its magnitude's share of all."""
    if not all(isinstance(x, Tensor) and x.requires_grad and x.shape == a.shape for x in (a, b)):
        return func(a, b, *args, **kwargs)

    def back(R: Tensor, *x: Tensor) -> tuple[Tensor, ...]:
        parts = _pulled(torch.add, R, *x)
        totals = [part.sum() for part in parts]
        whole = sum((t.abs() for t in totals), R.new_zeros(()))
        return tuple(p * ratio(ratio(t.abs(), whole) * R.sum(), t) for p, t in zip(parts, totals, strict=True))

    return _ruled(torch.add(a.detach(), b.detach()), back, a, b)


def _any_sum(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Shares, of which a constant keeps its own."""
    moving = [x for x in (a, b) if isinstance(x, Tensor) and x.requires_grad]
    plain = [x.detach() if isinstance(x, Tensor) else x for x in (a, b)]
    out = func(*plain, *args, **kwargs)
    if not moving or not all(isinstance(x, Tensor) for x in (a, b)):
        return func(a, b, *args, **kwargs)
    return _ruled(out, lambda R, *x: tuple(_as(one * ratio(R, out), one) for one in x), *moving)


def _positive(func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any) -> Tensor:
    """z+: x+ W+^T s + x- W-^T s,  s = R / (W+ x+ + W- x-)."""

    def back(R: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        def positive(plus: Tensor, minus: Tensor) -> Tensor:
            down = func(minus, weight.clamp(max=0), None, *args, **kw)
            return torch.add(func(plus, weight.clamp(min=0), None, *args, **kw), down)

        parts = _pulled(positive, R, x.clamp(min=0), x.clamp(max=0))
        return (parts[0] + parts[1],)

    out: Tensor = func(x.detach(), weight, bias, *args, **kw)
    return _ruled(out, back, x) if x.requires_grad else out


def _gamma(
    gamma: float, func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any
) -> Tensor:  # fmt: skip
    """Shares of x (W + gamma W+) where the output is positive, of x (W + gamma W-) where it is negative.

    For negative inputs the two change places, as positive contributions are what gamma favours.
    """
    out: Tensor = func(x.detach(), weight, bias, *args, **kw)
    if not x.requires_grad:
        return out
    up, down = weight + gamma * weight.clamp(min=0), weight + gamma * weight.clamp(max=0)
    intercepts = (None, None) if bias is None else (bias + gamma * bias.clamp(min=0), bias + gamma * bias.clamp(max=0))

    def back(R: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        total = torch.zeros_like(x)
        for sign, first, second, intercept in ((1, up, down, intercepts[0]), (-1, down, up, intercepts[1])):

            def favoured(
                plus: Tensor, minus: Tensor, first: Any = first, second: Any = second, b: Any = intercept
            ) -> Tensor:
                return torch.add(func(plus, first, b, *args, **kw), func(minus, second, None, *args, **kw))

            parts = _pulled(favoured, R * (out.sign() == sign), x.clamp(min=0), x.clamp(max=0))
            total = total + parts[0] + parts[1]
        return (total,)

    return _ruled(out, back, x)


def _softmax(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """x (R - s sum R), as Taylor's expansion at x without its bias says; what is masked out gets nothing."""
    s = func(x.detach(), *args, **kwargs)
    axis = kwargs.get("dim", args[0] if args else -1)

    def back(R: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        return (x.masked_fill(x.isinf(), 0) * (R - s * R.sum(axis, keepdim=True)),)

    return _ruled(s, back, x) if x.requires_grad else s


def _through(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    out = func(x.detach().clone(), *args, **kwargs)
    return _ruled(out, lambda R, x: (R,), x) if x.requires_grad else out


_ELEMENTWISE: tuple[Operation, ...] = (
    *(f for f, answer in relevance.ANSWERS.items() if answer is relevance._through),
    F.gelu, F.silu, F.sigmoid, F.tanh, F.hardswish, F.hardsigmoid, F.elu, F.leaky_relu, F.softplus, F.mish,
    torch.sigmoid, torch.tanh, Tensor.sigmoid, Tensor.tanh, torch.erf,
    F.layer_norm, torch.layer_norm, F.rms_norm, F.group_norm, F.normalize,
)  # fmt: skip
_TIMES: tuple[Operation, ...] = (
    torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__,
)  # fmt: skip
_QUOTIENTS: tuple[Operation, ...] = (torch.div, Tensor.div, Tensor.__truediv__)
_SUMS: tuple[Operation, ...] = (torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__)
_MEANS: tuple[Operation, ...] = tuple(f for f, answer in relevance.ANSWERS.items() if answer is relevance._mean)
_DENSE, _CONVOLUTIONS = (F.linear,), (torch.conv1d, torch.conv2d, torch.conv3d)

_COMMON: dict[Operation, Answer] = {
    **dict.fromkeys(_ELEMENTWISE, _through),
    **dict.fromkeys(_TIMES, _times),
    **dict.fromkeys(_QUOTIENTS, _over),
    **dict.fromkeys(_MEANS, _shared),
    **dict.fromkeys(PRODUCTS, _product),
}
TRANSFORMER: dict[Operation, Answer] = {
    **_COMMON,
    **dict.fromkeys((*_DENSE, *_CONVOLUTIONS), _positive),
    **dict.fromkeys(_SUMS, _settled_sum),
    **dict.fromkeys(SOFTMAXES, _through),
}


def attn_lrp(gamma: float, conv_gamma: float) -> dict[Operation, Answer]:
    """The rules of AttnLRP at some gammas; 0 is the plain share (the epsilon rule)."""
    return {
        **_COMMON,
        **dict.fromkeys(_DENSE, partial(_gamma, gamma)),
        **dict.fromkeys(_CONVOLUTIONS, partial(_gamma, conv_gamma)),
        **dict.fromkeys(_SUMS, _any_sum),
        **dict.fromkeys(SOFTMAXES, _softmax),
    }
