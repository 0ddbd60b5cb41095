"""Attention made visible: fused attention answered by its own formula, softmax(q k^T) v, which can be looked into.

While the mode is open, fused attention and `nn.MultiheadAttention` are computed step by step, with the model's own
masks and scale, and whatever multiplies the values of a softmax is noted, in models that write it out as well.  The
model is not changed: only the torch functions that it calls are answered otherwise.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...words.trees import Tree, tensors

Operation = Callable[..., Any]


@dataclass
class Attended:
    """One attention of a forward pass."""

    probabilities: Tensor
    """(n, heads, queries, keys), or (n * heads, queries, keys)."""
    values: Tensor
    outputs: Tensor
    """probabilities @ values, before the heads are joined."""
    pair: tuple[Tensor, Tensor] | None
    """q and k, where their product was seen."""
    block: nn.Module | None = None
    """The outermost module that holds this attention and no other, and returns tokens."""
    said: Tensor | None = None
    """What the block returned: (n, tokens, c) or (tokens, n, c)."""


@dataclass(frozen=True)
class _Note:
    """What is known of a tensor on its way: that it is q k^T, and whether the softmax was taken."""

    tensor: Tensor
    pair: tuple[Tensor, Tensor] | None
    weights: bool = False


SOFTMAXES: frozenset[Operation] = frozenset({F.softmax, torch.softmax, Tensor.softmax})
PRODUCTS: frozenset[Operation] = frozenset({torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm})
_REARRANGING = frozenset(
    {"permute", "transpose", "swapaxes", "swapdims", "movedim", "__get__", "linear", "conv1d", "conv2d", "flip", "roll"}
)
"""What mixes heads, queries and keys, although the shape may stay the same."""
_MOST_NOTES = 8


class Attending(TorchFunctionMode):
    """Every attention among what depends on the images, in the order in which it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Attended] = []
        self._notes: dict[int, _Note] = {}

    def __torch_function__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _WRITTEN_OUT:
            with self:
                return _WRITTEN_OUT[func](*args, **given)
        out = func(*args, **given)
        if isinstance(out, Tensor) and out.ndim > 2 and out.requires_grad:
            self._follow(func, args, out)
        return out

    def _follow(self, func: Operation, args: tuple[Any, ...], out: Tensor) -> None:
        note = next((self._notes[id(x)] for x in args if id(x) in self._notes), None)
        if func in PRODUCTS or func is torch.einsum:
            self._product(func, args, out, note)
        elif func in SOFTMAXES:
            self._note(out, note.pair if note else None, weights=True)
        elif (
            note is not None and note.tensor.shape == out.shape and func.__name__ not in _REARRANGING
        ):  # a scale, a mask, a dropout, another type
            self._note(out, note.pair, note.weights)

    def _product(self, func: Operation, args: tuple[Any, ...], out: Tensor, note: _Note | None) -> None:
        if note is not None and note.weights and func is not torch.einsum and args[0] is note.tensor:
            self.found.append(Attended(args[0], args[1], out, note.pair))
            self._notes.clear()
        elif func is not torch.einsum and isinstance(args[1], Tensor) and args[0].ndim == args[1].ndim:
            self._note(out, (args[0], args[1].mT))

    def _note(self, tensor: Tensor, pair: tuple[Tensor, Tensor] | None, weights: bool = False) -> None:
        self._notes[id(tensor)] = _Note(tensor, pair, weights)
        if len(self._notes) > _MOST_NOTES:
            del self._notes[next(iter(self._notes))]


@contextmanager
def attending(model: nn.Module) -> Iterator[list[Attended]]:
    """While open, a forward pass leaves every attention that depends on the images, and the block around it."""
    mode, starts = Attending(), list[int]()

    def enter(module: nn.Module, args: Any) -> None:
        starts.append(len(mode.found))

    def leave(module: nn.Module, args: Any, output: Tree) -> None:
        inside = mode.found[starts.pop() :]
        said = next((t for t in tensors(output) if t.is_floating_point()), None)
        alone = len(inside) == 1 and said is not None and said.ndim == 3
        if alone and said is not None and inside[0].outputs.shape[-2] in said.shape[:2]:
            inside[0].block, inside[0].said = module, said

    with ExitStack() as stack:
        for module in model.modules():
            if not isinstance(module, torch.jit.ScriptModule):
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
        stack.enter_context(mode)
        yield mode.found


def _fused(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q k^T / sqrt(d) + mask) v."""
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    logits = torch.matmul(query, key.mT) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if attn_mask is not None:
        masked = attn_mask.dtype == torch.bool
        logits = logits.masked_fill(~attn_mask, -torch.inf) if masked else logits + attn_mask.to(logits)
    return torch.matmul(torch.softmax(logits, -1), value)


@cache
def looked_into(function: Any) -> Operation:
    """torch's own function with the question that would hand it to the mode again left out."""
    names = {**function.__globals__, "has_torch_function": lambda *_: False}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


_WRITTEN_OUT: dict[Operation, Operation] = {
    F.scaled_dot_product_attention: _fused,
    F.multi_head_attention_forward: looked_into(F.multi_head_attention_forward),
}
