"""Backward passes under other rules than the derivative's, without touching the model.

While a rule is open, the operations that it concerns (functions as well as modules, in place or not) are answered by
versions whose backward pass follows the rule; autograd carries what the rule propagates.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import lrp_zplus as relevance
from . import rescale
from . import transformer_lrp as transformer_rules
from .gradient_rules import ModifiedGradient, Rule
from .guided import guided
from .operations import Operation
from .substituting import Answer, Answered

__all__ = ["Rule", "biases", "guided", "modified", "relevant", "rescaled", "transformer"]


@contextmanager
def rescaled() -> Iterator[None]:
    """DeepLIFT's Rescale rule, on a batch whose second half is the reference (arXiv:1704.02685)."""
    with Answered(rescale.ANSWERS):
        yield


@contextmanager
def relevant() -> Iterator[None]:
    """LRP z+ as Relevance-CAM uses it (Lee et al., CVPR 2021): autograd carries relevance instead of gradient."""
    with Answered(relevance.ANSWERS):
        yield


@contextmanager
def transformer() -> Iterator[None]:
    """LRP as transformer attribution uses it (arXiv:2012.09838)."""
    with Answered(transformer_rules.TRANSFORMER):
        yield


@contextmanager
def modified(rule: Rule, gamma: float = 0.0, conv_gamma: float = 0.0) -> Iterator[None]:
    """AttnLRP and its kin: autograd carries relevance divided by its tensor."""
    with ModifiedGradient(rule, gamma, conv_gamma):
        yield


@contextmanager
def biases() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """While open, every convolution, dense layer and batch norm with a bias leaves (output, bias shaped like it).

    Outputs are noted with their channels second, also those of dense layers, which have them last.
    """
    found: list[tuple[Tensor, Tensor]] = []

    def note(out: Tensor, bias: Tensor | None) -> Tensor:
        if bias is None:
            return out
        found.append((out, bias.detach().reshape(-1, *[1] * (out.ndim - 2))))
        return out.clone()  # what is done to it in place is no longer the layer's output

    def affine(func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any) -> Tensor:
        return note(func(x, weight, bias, *args, **kw), bias)

    def dense(func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        out = func(x, weight, bias)
        return note(out.movedim(-1, 1), bias).movedim(1, -1) if out.ndim > 2 else note(out, bias)

    def normalised(
        func: Operation, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None = None, bias: Tensor | None = None,
        training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        scale = (var + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - mean * scale
        return note(func(x, mean, var, weight, bias, training, momentum, eps), shift)

    answers: dict[Operation, Answer] = dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), affine)
    with Answered({**answers, F.linear: dense, F.batch_norm: normalised}):
        yield found
