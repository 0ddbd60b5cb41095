"""Backward passes under other rules than the derivative's, without touching the model.

While a rule is open, the operations that it concerns (functions as well as modules, in place or not) are answered by
versions whose backward pass follows the rule; autograd carries what the rule propagates.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..errors import EvidenceMissing
from . import relevance, rescale, transformer_rules

Operation = Callable[..., Any]
Answer = Callable[..., Any]

RELUS = frozenset({F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
_IN_PLACE = frozenset({F.relu_, torch.relu_, Tensor.relu_})


class Answered(TorchFunctionMode):
    """Every torch operation in the block goes through `answers`, where there is one for it."""

    def __init__(self, answers: dict[Operation, Answer]) -> None:
        super().__init__()
        self.answers, self.used = answers, 0

    def __torch_function__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer = self.answers.get(func)
        if answer is None:
            return func(*args, **(kwargs or {}))
        self.used += 1
        return answer(func, *args, **(kwargs or {}))


class GuidedReLU(torch.autograd.Function):
    """R_in = 1[z > 0] 1[R_out > 0] R_out  (Springenberg et al. 2015, arXiv:1412.6806)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z > 0)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        passed: Tensor = flow.clamp(min=0) * positive
        return passed


def _guided(func: Operation, z: Tensor, inplace: bool = False) -> Tensor:
    out: Tensor = GuidedReLU.apply(z)
    if inplace or func in _IN_PLACE:
        z.copy_(out)
        return z
    return out


@contextmanager
def guided() -> Iterator[None]:
    """Every ReLU passes on only what is positive."""
    with Answered(dict.fromkeys(RELUS, _guided)) as mode:
        yield
    if not mode.used:
        raise EvidenceMissing(
            "guided backpropagation is a rule for ReLUs, and this model ran none", "a ReLU network", "Use grad_cam"
        )


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
def attn_lrp(gamma: float, conv_gamma: float) -> Iterator[None]:
    """LRP by the rules of AttnLRP (arXiv:2402.05602)."""
    with Answered(transformer_rules.attn_lrp(gamma, conv_gamma)):
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
