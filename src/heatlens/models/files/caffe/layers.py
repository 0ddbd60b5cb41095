"""Caffe's layers as torch modules that compute the same; each is built on the shapes that flow into it."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....words.errors import BadValue
from .prototxt import Message

Sizes = tuple[int, ...]
Builder = Callable[[Message, Sequence[Sizes]], nn.Module]


class InnerProduct(nn.Linear):
    """A dense layer over everything behind the batch."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, …) -> (n, outputs)."""
        return super().forward(x.flatten(1))


class Concat(nn.Module):
    """Blobs joined along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *blobs: Tensor) -> Tensor:
        return torch.cat(blobs, self.axis)


class Eltwise(nn.Module):
    """Blobs of one shape: their weighted sum, product or maximum, place by place."""

    def __init__(self, operation: str, weights: Sequence[float]) -> None:
        super().__init__()
        self.operation, self.weights = operation, tuple(weights)

    def forward(self, *blobs: Tensor) -> Tensor:
        if self.operation == "SUM":
            return torch.stack([w * b for w, b in zip(self.weights, blobs, strict=True)]).sum(0)
        stack = torch.stack(blobs)
        return stack.prod(0) if self.operation == "PROD" else stack.amax(0)


class Scale(nn.Module):
    """Every channel times a weight, plus a bias."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def reset_parameters(self) -> None:
        """A scale of one, a bias of zero."""
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        scaled = x * self.weight.reshape(shape)
        return scaled if self.bias is None else scaled + self.bias.reshape(shape)


class LocalResponseNormWithin(nn.Module):
    """x / (1 + alpha * mean of x^2 over a window of the channel)^beta."""

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        mean = F.avg_pool2d(x * x, self.size, 1, (self.size - 1) // 2)
        return x / (1 + self.alpha * mean) ** self.beta


class Power(nn.Module):
    """(shift + scale x)^power."""

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return torch.pow(self.shift + self.scale * x, self.power)


def first(message: Message, key: str, default: Any = None) -> Any:
    """A field's only value, or what it is when nobody says."""
    return message.get(key, [default])[-1]


def built(kind: str, layer: Message, shapes: Sequence[Sizes]) -> nn.Module:
    """The module of a layer; `BadValue` for a kind that is not known here."""
    name = first(layer, "name", "")
    if kind not in _BUILDERS:
        raise BadValue(f"the layer {name!r} is of type {kind}", f"one of {', '.join(sorted(_BUILDERS))}")
    words, build = _BUILDERS[kind]
    return build(first(layer, f"{words}_param", {}), shapes)


def _pairs(p: Message, word: str, default: int, plain: str = "") -> tuple[int, int]:
    """(height, width) of a size that may be said as one, as two, or as word_h and word_w."""
    if f"{word}_h" in p or f"{word}_w" in p:
        return int(first(p, f"{word}_h", default)), int(first(p, f"{word}_w", default))
    said = p.get(plain or word, [default])
    return int(said[0]), int(said[-1])


def _convolution(p: Message, shapes: Sequence[Sizes]) -> nn.Module:
    return nn.Conv2d(
        shapes[0][1],
        int(p["num_output"][0]),
        _pairs(p, "kernel", 1, "kernel_size"),
        _pairs(p, "stride", 1),
        _pairs(p, "pad", 0),
        _pairs(p, "dilation", 1),
        groups=int(first(p, "group", 1)),
        bias=first(p, "bias_term", True),
    )


def _pooling(p: Message, shapes: Sequence[Sizes]) -> nn.Module:
    """Rounded up, as Caffe does unless told; a mean counts the padding, but not what lies beyond it."""
    everywhere = first(p, "global_pooling", False)
    size = shapes[0][2:] if everywhere else _pairs(p, "kernel", 1, "kernel_size")
    stride, pad = ((1, 1), (0, 0)) if everywhere else (_pairs(p, "stride", 1), _pairs(p, "pad", 0))
    up = first(p, "round_mode", "CEIL") in ("CEIL", 0)
    if everywhere:
        return nn.AdaptiveMaxPool2d(1) if first(p, "pool", "MAX") in ("MAX", 0) else nn.AdaptiveAvgPool2d(1)
    if first(p, "pool", "MAX") in ("MAX", 0):
        return nn.MaxPool2d(size, stride, pad, ceil_mode=up)
    return nn.AvgPool2d(size, stride, pad, ceil_mode=up)  # type: ignore[arg-type]


def _lrn(p: Message, shapes: Sequence[Sizes]) -> nn.Module:
    size, alpha, beta = int(first(p, "local_size", 5)), float(first(p, "alpha", 1.0)), float(first(p, "beta", 0.75))
    if first(p, "norm_region", "ACROSS_CHANNELS") in ("WITHIN_CHANNEL", 1):
        return LocalResponseNormWithin(size, alpha, beta)
    return nn.LocalResponseNorm(size, alpha, beta, float(first(p, "k", 1.0)))


def _relu(p: Message, shapes: Sequence[Sizes]) -> nn.Module:
    slope = float(first(p, "negative_slope", 0.0))
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _eltwise(p: Message, shapes: Sequence[Sizes]) -> nn.Module:
    operation = {0: "PROD", 1: "SUM", 2: "MAX"}.get(first(p, "operation", "SUM"), first(p, "operation", "SUM"))
    return Eltwise(operation, p.get("coeff") or [1.0] * len(shapes))


_BUILDERS: dict[str, tuple[str, Builder]] = {
    "BatchNorm": ("batch_norm", lambda p, s: nn.BatchNorm2d(s[0][1], float(first(p, "eps", 1e-5)), affine=False)),
    "Concat": ("concat", lambda p, s: Concat(int(first(p, "axis", first(p, "concat_dim", 1))))),
    "Convolution": ("convolution", _convolution),
    "Dropout": ("dropout", lambda p, s: nn.Dropout(float(first(p, "dropout_ratio", 0.5)))),
    "Eltwise": ("eltwise", _eltwise),
    "Flatten": ("flatten", lambda p, s: nn.Flatten()),
    "InnerProduct": (
        "inner_product",
        lambda p, s: InnerProduct(prod(s[0][1:]), int(p["num_output"][0]), first(p, "bias_term", True)),
    ),
    "LRN": ("lrn", _lrn),
    "Pooling": ("pooling", _pooling),
    "Power": (
        "power",
        lambda p, s: Power(*(float(first(p, word, d)) for word, d in (("power", 1), ("scale", 1), ("shift", 0)))),
    ),
    "PReLU": ("prelu", lambda p, s: nn.PReLU(1 if first(p, "channel_shared", False) else s[0][1])),
    "ReLU": ("relu", _relu),
    "Scale": ("scale", lambda p, s: Scale(s[0][1], first(p, "bias_term", False))),
    "Sigmoid": ("sigmoid", lambda p, s: nn.Sigmoid()),
    "Softmax": ("softmax", lambda p, s: nn.Softmax(int(first(p, "axis", 1)))),
    "Split": ("split", lambda p, s: nn.Identity()),
    "TanH": ("tanh", lambda p, s: nn.Tanh()),
}
"""Type -> the word before `_param`, and what makes the module."""
