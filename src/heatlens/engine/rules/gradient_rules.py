"""Relevance as the gradient of a modified network: autograd carries G = R / t, so that R = t * G at every tensor t.

| operation | its derivative |
| --- | --- |
| dense layer, convolution | the plain one, or gamma's (`_favoured`) |
| sum, mean, pooling, batch norm, reshaping, softmax | the plain one |
| f(x) with f(0) = 0: GELU, SiLU, tanh, ELU, ReLU | f(x) / x |
| f(x) with f(0) != 0: sigmoid, exp | the plain one |
| layer, group, instance and RMS norm, unit length | with the deviation (the length) held fixed |
| a * b, a @ b, both of the image | half for each |
| a * b, where b is a gate or a deviation | with b held fixed |
| a / b | with b held fixed |

That is AttnLRP (Achtibat et al., ICML 2024, arXiv:2402.05602; as a gradient: Arras et al. 2025, arXiv:2502.15886).
CP-LRP (Ali et al., ICML 2022, arXiv:2202.07304) also holds the softmax of an attention fixed, and an activation that
multiplies another branch; LibraGrad (Mehri, Baghshah, Pilehvar, CVPR 2025, arXiv:2411.16760) the softmax alone.
"""

from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...words.notation import ratio
from ...words.trees import map_tensors, tensors
from ..attention.unfused import looked_into
from .factors import Factors, Kind, live
from .norms import NORMS
from .operations import CLIPPED, CONVOLUTIONS, DENSE, MATRIX_PRODUCTS, OVER, TIMES, Operation, bounds, spelt
from .substituting import Answer, Answered, as_if

Rule = Literal["attn_lrp", "cp_lrp", "libra"]
HELD: dict[Rule, tuple[Kind, ...]] = {
    "attn_lrp": ("scale",),
    "cp_lrp": ("scale", "softmax", "activation"),
    "libra": ("scale", "softmax"),
}
"""What a factor of a product is held fixed for being, as long as another one moves."""
_NEAR = 1e-6
"""f(x) / x is taken no nearer to 0 than this."""


class ModifiedGradient(Answered):
    """While open, a forward pass leaves a graph whose derivative follows the rules."""

    def __init__(self, rule: Rule, gamma: float = 0.0, conv_gamma: float = 0.0) -> None:
        self._factors, self._held = Factors(), HELD[rule]
        super().__init__(
            {
                **_ALONE,
                **self._products(gamma),
                **dict.fromkeys(DENSE, partial(self._layer, gamma)),
                **dict.fromkeys(CONVOLUTIONS, partial(self._layer, conv_gamma)),
            }
        )

    def __torch_function__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not any(map(live, tensors((args, kwargs)))):
            return func(*args, **(kwargs or {}))
        out = super().__torch_function__(func, types, args, kwargs)
        self._factors.follow(func, args, kwargs or {}, out)
        return out

    def _products(self, gamma: float) -> dict[Operation, Answer]:
        return {
            **dict.fromkeys(TIMES | spelt("einsum"), self._product),
            **dict.fromkeys(spelt("addcmul", "addmm", "baddbmm", "addbmm"), self._added_product),
            **dict.fromkeys(MATRIX_PRODUCTS, partial(self._matrix_product, gamma)),
            F.scaled_dot_product_attention: self._attention,
            F.multi_head_attention_forward: self._look_into,
        }

    def _shared(self, *factors: Any) -> Any:
        """An equal share for every factor that moves and is not held fixed."""
        moving = [x for x in tensors(factors) if live(x)]
        for kind in self._held:
            moving = [x for x in moving if self._factors.kind(x) != kind] or moving
        still, share = {id(x) for x in moving}, 1 / max(1, len(moving))
        return map_tensors(lambda x: part(x, share) if id(x) in still else x.detach(), factors)

    def _product(self, func: Operation, *factors: Any, **kwargs: Any) -> Any:
        return func(*self._shared(*factors), **kwargs)

    def _added_product(self, func: Operation, beside: Tensor, a: Tensor, b: Tensor, **kwargs: Any) -> Any:
        return func(beside, *self._shared(a, b), **kwargs)

    def _matrix_product(self, gamma: float, func: Operation, a: Tensor, b: Tensor) -> Any:
        """A dense layer, where the second factor is its weights."""
        if gamma and b.ndim == 2 and not live(b):
            return _favoured(gamma, F.linear, a, b.mT)
        return func(*self._shared(a, b))

    def _layer(self, gamma: float, func: Operation, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Any:
        if gamma and not live(weight):
            return _favoured(gamma, func, x, weight, *args, **kwargs)
        return func(*self._shared(x, weight), *args, **kwargs)

    def _attention(
        self, func: Operation, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
        *args: Any, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """softmax(q k^T + mask) v in one: two products, of which q and k meet both, v and the mask one."""
        half = 1 / 2 if live(value) and any(map(live, (query, key, attn_mask))) else 1.0
        if half < 1 and "softmax" in self._held:
            query, key, attn_mask = map_tensors(torch.detach, (query, key, attn_mask))
            return func(query, key, value, attn_mask, *args, **kwargs)
        each = half / 2 if live(query) and live(key) else half
        shown = part(query, each), part(key, each), part(value, half), part(attn_mask, half)
        return func(*shown, *args, **kwargs)

    def _look_into(self, func: Operation, *args: Any, **kwargs: Any) -> Any:
        with self:
            return looked_into(func)(*args, **kwargs)


def part(x: Any, share: float) -> Any:
    """x, of whose derivative a share goes on."""
    return as_if(x, x * share) if live(x) and share != 1 else x


def _favoured(
    gamma: float, func: Operation, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kw: Any
) -> Tensor:  # fmt: skip
    """The gamma rule: contributions of the output's own sign count 1 + gamma times, and the whole is scaled back.

    z~ = z + gamma P where z > 0, z + gamma N where z < 0;  P, N the sums of the positive and negative contributions;
    G_x = dz~/dx . G z / z~.
    """
    z = func(x, weight, bias, *args, **kw)
    beside = None if bias is None else bias.clamp(min=0)
    up, down = torch.where(x > 0, x, 0), torch.where(x > 0, 0, x)
    positive = func(up, weight.clamp(min=0), beside, *args, **kw)
    if bool(down.any()):  # a third of the work, which nothing behind a rectifier needs
        positive = positive + func(down, weight.clamp(max=0), None, *args, **kw)
    favoured = z + gamma * torch.where(z > 0, positive, z - positive)
    return as_if(z, favoured * ratio(z, favoured).detach())


def _over_itself(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """f(x), as x times f(x) / x held fixed."""
    with torch.no_grad():
        away = torch.where(x.abs() < _NEAR, _NEAR, x)
        held = func(away, *args, **kwargs) / away
    return as_if(func(x.detach(), *args, **kwargs), x * held)


def _clipped(func: Operation, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    low, high = bounds(func, args, kwargs) or (0, 0)
    answer = _over_itself if low <= 0 <= high else _plain
    return answer(func, x, *args, **kwargs)


def _power(func: Operation, x: Any, exponent: Any, *args: Any, **kwargs: Any) -> Tensor:
    """x^p, where p is a positive number."""
    answer = _over_itself if isinstance(exponent, int | float) and exponent > 0 else _plain
    return answer(func, x, exponent, *args, **kwargs)


def _plain(func: Operation, *args: Any, **kwargs: Any) -> Tensor:
    found: Tensor = func(*args, **kwargs)
    return found


def _over(func: Operation, a: Any, b: Any, **kwargs: Any) -> Any:
    """All to the numerator: a scale is not what is scaled."""
    return func(a, b.detach() if live(a) and live(b) else b, **kwargs)


def _gated(func: Operation, x: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), in one."""
    a, b = x.chunk(2, dim)
    return as_if(func(x.detach(), dim), a * b.detach().sigmoid())


_ALONE: dict[Operation, Answer] = {
    **NORMS,
    **dict.fromkeys(
        spelt("gelu", "silu", "hardswish", "mish", "tanh", "erf", "elu", "selu", "celu", "softsign", "sqrt", "square",
              "sin", "atan", "asinh", "expm1", "log1p", "local_response_norm"),
        _over_itself,
    ),
    **dict.fromkeys(CLIPPED, _clipped),
    **dict.fromkeys(spelt("pow", "__pow__", "__ipow__"), _power),
    **dict.fromkeys(OVER, _over),
    **dict.fromkeys(spelt("glu"), _gated),
}  # fmt: skip
