"""What a factor of a product was made by: a scale, a softmax, an activation, or none of these.

A sigmoid that multiplies is a gate; one that is added is not.  So what these operations return is followed through
whatever only rearranges, scales or shifts it, until it meets what it multiplies.
"""

from typing import Any, Literal

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ...words.trees import tensors
from .operations import DENSE, MEANS, OVER, SOFTMAXES, SUMS, TIMES, Operation, spelt

Kind = Literal["scale", "odd curve", "softmax", "activation"]

MADE_BY: dict[Operation, Kind] = {
    **dict.fromkeys(spelt("sigmoid", "hardsigmoid"), "scale"),
    **dict.fromkeys(spelt("rsqrt", "sqrt", "std", "var", "norm", "vector_norm"), "scale"),
    **dict.fromkeys(spelt("reciprocal", "__rdiv__", "__rtruediv__"), "scale"),
    **dict.fromkeys(spelt("tanh", "erf"), "odd curve"),
    **dict.fromkeys(spelt("gelu", "silu", "hardswish", "mish"), "activation"),
    **dict.fromkeys(SOFTMAXES, "softmax"),
}
_SHIFTS = SUMS | spelt("sub", "subtract", "__sub__", "__isub__", "__rsub__", "rsub")
_LIKE_ANOTHER = spelt("expand_as", "view_as", "reshape_as", "type_as")
_FOLLOWED = _LIKE_ANOTHER | _SHIFTS | TIMES | OVER | MEANS | DENSE | spelt(
    "view", "reshape", "expand", "unsqueeze", "squeeze", "permute", "transpose", "swapaxes", "movedim", "flatten",
    "unflatten", "flip", "roll", "contiguous", "clone", "to", "float", "clamp", "clamp_min", "neg", "sum", "chunk",
    "split", "unbind", "__getitem__", "repeat", "repeat_interleave", "interpolate", "dropout", "masked_fill", "where",
)  # fmt: skip


def live(x: Any) -> bool:
    """Whether it depends on the images: nothing else asks for a gradient, as weights are frozen."""
    return isinstance(x, Tensor) and x.requires_grad


class Factors:
    """Which of the tensors on their way were made by what."""

    def __init__(self) -> None:
        self._made: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def kind(self, x: Any) -> Kind | None:
        """What made it."""
        found: Kind | None = self._made[x] if isinstance(x, Tensor) and x in self._made else None
        return found

    def follow(self, func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """An operation made `out` of what was given."""
        kind = MADE_BY.get(func)
        if kind is None and self._made and (func in _FOLLOWED or getattr(func, "__name__", "") == "__get__"):
            kind = self._handed_on(func, args[:1] if func in _LIKE_ANOTHER else (args, kwargs))
        if kind is not None:
            for part in tensors(out):
                self._made[part] = kind

    def _handed_on(self, func: Operation, given: Any) -> Kind | None:
        """What everything that moves in it was made by; 1 + tanh is a sigmoid, and 1 + erf is Phi."""
        kinds = {self.kind(x) for x in tensors(given) if live(x)}
        if len(kinds) != 1:
            return None
        (kind,) = kinds
        if kind == "odd curve" and func in _SHIFTS:
            return "scale"
        return None if func in DENSE and kind != "softmax" else kind  # heads that talk among each other
