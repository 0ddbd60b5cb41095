"""Norms whose deviation (or length) is held fixed: what is left of them is linear in their input."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..passes.derivatives import precise
from .operations import Operation, spelt
from .substituting import Answer, as_if


def _layer(
    x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    found = _standard(x, tuple(range(-len(normalized_shape), 0)), eps)
    return found if weight is None else found * weight


def _group(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:  # fmt: skip
    found = _standard(x.reshape(len(x), num_groups, -1), (2,), eps).reshape(x.shape)
    return found if weight is None else found * weight.reshape(-1, *[1] * (x.ndim - 2))


def _instance(
    x: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    if use_input_stats:
        return _group(x, x.shape[1], weight, bias, eps)
    return F.instance_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)


def _rms(x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    square = x.detach().square().mean(tuple(range(-len(normalized_shape), 0)), keepdim=True)
    found = x * (square + (torch.finfo(x.dtype).eps if eps is None else eps)).rsqrt()
    return found if weight is None else found * weight


def _unit_length(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x.detach(), p, dim, keepdim=True)
    return x / length.clamp(min=eps)


def _standard(x: Tensor, over: tuple[int, ...], eps: float) -> Tensor:
    scale = (x.detach().var(over, correction=0, keepdim=True) + eps).rsqrt()
    return (x - x.mean(over, keepdim=True)) * scale


def _held(left: Callable[..., Tensor]) -> Answer:
    """The value of a norm, the derivative of what is left of it."""

    def answer(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return as_if(func(x.detach(), *args, **kwargs), left(precise(x), *args, **kwargs))

    return answer


NORMS: dict[Operation, Answer] = {
    **dict.fromkeys(spelt("layer_norm"), _held(_layer)),
    **dict.fromkeys(spelt("group_norm"), _held(_group)),
    **dict.fromkeys(spelt("instance_norm"), _held(_instance)),
    **dict.fromkeys(spelt("rms_norm"), _held(_rms)),
    **dict.fromkeys(spelt("normalize"), _held(_unit_length)),
}
