"""Guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806): a rectifier passes on only what is positive."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...words.errors import EvidenceMissing
from .operations import CLAMPS, CLIPPED, RELUS, Operation, bounds
from .substituting import Answered


class _Guided(torch.autograd.Function):
    """R_in = 1[low < z < high] 1[R_out > 0] R_out: a rectifier that clips is a ReLU where it passes."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward((z > low) & (z < high))
        return z.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None, None]:
        (passes,) = ctx.saved_tensors
        return flow.clamp(min=0) * passes, None, None


@contextmanager
def guided() -> Iterator[None]:
    """Every rectifier passes on only what is positive."""
    rectified = False

    def rectify(func: Operation, z: Tensor, *args: Any, **kwargs: Any) -> Any:
        nonlocal rectified
        within = bounds(func, args, kwargs)
        if within is None:
            return func(z, *args, **kwargs)
        rectified = True
        return _Guided.apply(z, *within)

    with Answered(dict.fromkeys(RELUS | CLIPPED | CLAMPS, rectify)):
        yield
    if not rectified:
        raise EvidenceMissing(
            "guided backpropagation is a rule for ReLUs, and this model ran none", "a ReLU network", "Use grad_cam"
        )
