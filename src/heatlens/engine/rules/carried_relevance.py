"""Relevance carried by autograd in the place of gradients: what the older rules of relevance are made of.

A rule says what an operation's inputs get of its output's relevance R; together they get R, less
what constants keep.  It is reckoned in float32 at least, whatever the model runs in.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...words.notation import ratio
from ..passes.derivatives import precise
from .factors import live
from .operations import Operation

Back = Callable[..., Sequence[Tensor]]
"""back(R, *inputs) -> the relevance of each input."""


class _Rule(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, out: Tensor, back: Back, *inputs: Tensor) -> Tensor:
        ctx.back = back
        ctx.save_for_backward(*inputs)
        return out.clone()

    @staticmethod
    def backward(ctx: Any, R: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.back(precise(R), *map(precise, ctx.saved_tensors))
        return None, None, *(r.to(x.dtype) for r, x in zip(found, ctx.saved_tensors, strict=True))


def ruled(out: Tensor, back: Back, *inputs: Tensor) -> Tensor:
    """The output of an operation, whose relevance goes back to the inputs by a rule."""
    found: Tensor = _Rule.apply(out.detach(), back, *inputs)
    return found


def shares(function: Callable[..., Tensor], R: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """x * d(function)/dx . R / function: what each input has in a function that is linear in it."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        out = function(*leaves)
        slopes = torch.autograd.grad(out, leaves, ratio(R, out).detach())
    return tuple(x * slope for x, slope in zip(inputs, slopes, strict=True))


def positive(biased: bool) -> Operation:
    """z+: x+ W+^T s + x- W-^T s,  s = R / (W+ x+ + W- x- [+ b+])."""

    def answer(
        func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any
    ) -> Tensor:  # fmt: skip
        W = precise(weight.detach())
        b = precise(bias.detach()).clamp(min=0) if biased and bias is not None else None

        def back(R: Tensor, x: Tensor) -> tuple[Tensor, ...]:
            def z(plus: Tensor, minus: Tensor) -> Tensor:
                below = func(minus, W.clamp(max=0), None, *args, **kw)
                return torch.add(func(plus, W.clamp(min=0), b, *args, **kw), below)

            plus, minus = shares(z, R, x.clamp(min=0), x.clamp(max=0))
            return (plus + minus,)

        return ruled(func(x, weight, bias, *args, **kw), back, x)

    return answer


def through(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Relevance goes through unchanged."""
    return ruled(func(x, *args, **kwargs), lambda R, x: (R,), x)


def shared(func: Operation, *args: Any, **kwargs: Any) -> Any:
    """A sum, a mean, a pooling: every input gets its share, and a constant keeps its own."""
    function, moving = _of_what_moves(func, args, kwargs)
    return ruled(func(*args, **kwargs), partial(shares, function), *moving)


def product(func: Operation, *args: Any, **kwargs: Any) -> Any:
    """An equal part of the shares for each factor that depends on the images; a constant takes nothing."""
    function, moving = _of_what_moves(func, args, kwargs)

    def back(R: Tensor, *x: Tensor) -> list[Tensor]:
        return [one / len(x) for one in shares(function, R, *x)]

    return ruled(func(*args, **kwargs), back, *moving)


def over(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """All for the numerator: a scale is not what is scaled."""
    return shared(func, a, b.detach() if live(b) else b, *args, **kwargs) if live(a) else func(a, b.detach())


def _of_what_moves(
    func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """An operation as a function of its inputs that depend on the images, and these."""
    fixed = [None if live(x) else _precise(x) for x in args]
    at = [i for i, x in enumerate(args) if live(x)]

    def function(*inputs: Tensor) -> Tensor:
        given = dict(zip(at, inputs, strict=True))
        found: Tensor = func(*(given.get(i, x) for i, x in enumerate(fixed)), **kwargs)
        return found

    return function, [args[i] for i in at]


def _precise(x: Any) -> Any:
    return precise(x.detach()) if isinstance(x, Tensor) and x.is_floating_point() else x
