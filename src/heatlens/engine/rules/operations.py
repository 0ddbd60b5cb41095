"""Operations in all their spellings, as functions and methods, in place or not: the keys of the tables of rules."""

from collections.abc import Callable
from functools import cache
from inspect import signature
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Operation = Callable[..., Any]

_HOMES: tuple[Any, ...] = (torch, Tensor, F, torch.linalg, torch.special)


def spelt(*names: str) -> frozenset[Operation]:
    """Every function and method of torch of these names, and those that do the same in place."""
    return frozenset(
        getattr(home, spelling) for name in names for spelling in (name, f"{name}_") for home in _HOMES
        if hasattr(home, spelling)
    )  # fmt: skip


RELUS = spelt("relu")
CLIPPED = spelt("relu6", "hardtanh")
"""Rectifiers that clip: the identity between two bounds."""
_HARDTANH = spelt("hardtanh")
CLAMPS = spelt("clamp", "clip", "clamp_min")
"""Rectifiers where their lower bound is 0."""
ELEMENTWISE = RELUS | CLIPPED | spelt(
    "gelu", "silu", "mish", "hardswish", "sigmoid", "hardsigmoid", "tanh", "elu", "selu", "celu", "leaky_relu", "prelu",
    "softplus", "softsign", "erf",
)  # fmt: skip
"""Functions of one number each."""
SUMS = spelt("add", "__add__", "__iadd__", "__radd__")
TIMES = spelt("mul", "multiply", "__mul__", "__imul__", "__rmul__")
OVER = spelt("div", "divide", "true_divide", "__div__", "__truediv__", "__itruediv__")
MATRIX_PRODUCTS = spelt("matmul", "__matmul__", "bmm", "mm")
DENSE = spelt("linear")
CONVOLUTIONS = spelt("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
MEANS = spelt(
    "mean", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
)  # fmt: skip
SOFTMAXES = spelt("softmax")


def bounds(func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float, float] | None:
    """Between which values a rectifier is the identity; None for a clamp that is none."""
    if func in CLIPPED and func not in _HARDTANH:
        return 0.0, 6.0
    if func in RELUS:
        return 0.0, inf
    names, usual = (("min_val", "max_val"), (-1.0, 1.0)) if func in _HARDTANH else (("min", "max"), (None, inf))
    given = dict(zip(names, usual, strict=True)) | dict(zip(names, args, strict=False)) | kwargs
    low, high = (given[name] for name in names)
    return None if func in CLAMPS and low != 0 else (low, inf if high is None else high)


def out_of_place(
    func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Operation, tuple[Any, ...], dict[str, Any]] | None:
    """The same operation with a result of its own; None where it has one."""
    name = func.__name__
    if name.startswith("__i") and name.endswith("__") and hasattr(Tensor, f"__{name[3:]}"):
        return getattr(Tensor, f"__{name[3:]}"), args, kwargs
    if name.endswith("_") and not name.endswith("__"):
        return next(getattr(home, name[:-1]) for home in _HOMES if hasattr(home, name[:-1])), args, kwargs
    if "inplace" not in _parameters(func):
        return None
    bound = signature(func).bind(*args, **kwargs)
    if not bound.arguments.pop("inplace", False):
        return None
    return func, bound.args, bound.kwargs


@cache
def _parameters(func: Operation) -> frozenset[str]:
    try:
        return frozenset(signature(func).parameters)
    except ValueError:  # a builtin does not say
        return frozenset()
