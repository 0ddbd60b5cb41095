"""What tensors have to be like, asked of the device all at once and at the end: to wait for answers costs."""

from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor, nn

from ...words.errors import HeatlensError, NotFinite
from ...words.trees import Tree, tensors


def _as_it_is(error: HeatlensError, layer: str) -> HeatlensError:
    return error


class Doubts:
    """What is expected of tensors, and the error where it is not so; nobody has looked yet.

    The tensors themselves are not kept, so that what they were made with can go.
    """

    def __init__(self, advice: Callable[[HeatlensError, str], HeatlensError] = _as_it_is) -> None:
        """advice(error, layer): the error with what to do."""
        self._open: list[tuple[Tensor, Callable[[float], bool], Callable[[], HeatlensError], str]] = []
        self._advice = advice

    def expect(self, holds: Tensor, otherwise: Callable[[], HeatlensError], layer: str = "") -> None:
        """holds: one truth value."""
        self._open.append((holds, bool, otherwise, layer))

    def expect_finite(self, numbers: Tensor, otherwise: Callable[[], HeatlensError], layer: str = "") -> None:
        """No NaN and no infinity: the largest magnitude tells."""
        if numbers.numel():
            largest = torch.linalg.vector_norm(numbers.detach(), torch.inf)
            self._open.append((largest, isfinite, otherwise, layer))

    def settle(self) -> None:
        """Look at everything that is open; raise the first error."""
        asked, self._open = self._open, []
        if not asked:
            return
        place = asked[0][0].device
        found = torch.stack([known.to(place) for known, *_ in asked]).tolist()
        for known, (_, good, otherwise, layer) in zip(found, asked, strict=True):
            if not good(known):
                raise self._advice(otherwise(), layer)


def expect_finite(doubts: Doubts, model: nn.Module, outputs: Tree) -> None:
    """`NotFinite` where a model returned NaN or infinity, with the weights that are to blame, if some are."""
    for said in tensors(outputs):
        if said.is_floating_point():
            doubts.expect_finite(said, lambda: _to_blame(model))


def _to_blame(model: nn.Module) -> NotFinite:
    for name, weights in model.named_parameters():
        if not bool(weights.isfinite().all()):
            return NotFinite(
                f"the weights {name!r} of {type(model).__name__} contain NaN or infinity", "finite weights"
            )
    return NotFinite(
        f"{type(model).__name__} returned NaN or infinity",
        "finite outputs",
        "check the photo's preprocessing (mean, std) and the model's precision",
    )
