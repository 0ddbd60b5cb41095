"""LRP z+: relevance flows back along positive contributions; autograd carries it in the place of gradients.

Rules as in Relevance-CAM (Lee, Kim, Park, Eo, Hwang, CVPR 2021): z+ with both signs of the input for dense and
convolutional layers (their bias in the denominator), the share of each summand for sums, pass-through for ReLU and
batch norm, the share of each input for means.  Max pooling gives all to the maximum, as its derivative does.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import EvidenceMissing
from ..notation import ratio

Operation = Callable[..., Any]
Linear = Callable[[Tensor, Tensor], Tensor]


class _ZPlus(torch.autograd.Function):
    """R_in = x+ W+^T s + x- W-^T s,  s = R_out / (W+ x+ + W- x- + b+)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, linear_map: Linear, out: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.linear_map = linear_map
        return out

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None, None, None, None]:
        x, weight, bias = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            z = ctx.linear_map(leaf.clamp(min=0), weight.clamp(min=0)) + ctx.linear_map(
                leaf.clamp(max=0), weight.clamp(max=0)
            )
            total = z if bias is None else z + bias.clamp(min=0)
            share = ratio(flow, total).detach()
            (pulled,) = torch.autograd.grad(z, leaf, grad_outputs=share)
        return x * pulled, None, None, None, None


class _Share(torch.autograd.Function):
    """A linear map without weights (a mean, a pooling, a sum): every input gets its share of the output."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(*inputs)
        return function(*inputs)

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in ctx.saved_tensors]
            out = ctx.function(*leaves)
            pulled = torch.autograd.grad(out, leaves, grad_outputs=ratio(flow, out).detach())
        return None, *(x * p for x, p in zip(ctx.saved_tensors, pulled, strict=True))


class _Through(torch.autograd.Function):
    """Relevance goes through unchanged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor) -> Tensor:
        return out.clone()

    @staticmethod
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor, None]:
        return flow, None


def _affine(func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any) -> Tensor:
    out = func(x.detach(), weight, bias, *args, **kw).detach()
    linear_map = lambda a, w: func(a, w, None, *args, **kw)  # noqa: E731
    if bias is not None:  # a dense layer has its channels last
        bias = bias.detach() if func is F.linear else bias.detach().reshape(-1, *[1] * (out.ndim - 2))
    found: Tensor = _ZPlus.apply(x, weight.detach(), bias, linear_map, out)
    return found


def _through(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    out = func(x.detach().clone(), *args, **kwargs)
    found: Tensor = _Through.apply(x, out)
    return found


def _mean(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    found: Tensor = _Share.apply(lambda t: func(t, *args, **kwargs), x)
    return found


def _sum(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    if not (isinstance(a, Tensor) and isinstance(b, Tensor) and a.requires_grad and b.requires_grad):
        return torch.add(a, b, *args, **kwargs)
    found: Tensor = _Share.apply(torch.add, a, b)
    return found


def _attention(func: Operation, *args: Any, **kwargs: Any) -> Any:
    raise EvidenceMissing(
        "Relevance-CAM has no rule for attention, and the network runs some behind the layer",
        "a convolutional network",
        "Use attn_lrp",
    )


ANSWERS: dict[Operation, Callable[..., Any]] = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d, F.linear), _affine),
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), _through),
    **dict.fromkeys((F.relu6, F.hardtanh, F.batch_norm), _through),
    **dict.fromkeys(
        (
            torch.mean, Tensor.mean, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d,
            F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d,
        ),
        _mean,
    ),
    **dict.fromkeys((F.scaled_dot_product_attention, F.multi_head_attention_forward), _attention),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__), _sum),
}  # fmt: skip
