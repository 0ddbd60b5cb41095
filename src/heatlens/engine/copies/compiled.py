"""The private copy compiled by `torch.compile`, once for a model, for those who ask thousands of pictures of it."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ...words.trees import close, snapshot
from ..forward.inputs import Inputs
from .fast_copy import State, weights_state


@dataclass(frozen=True)
class _Kept:
    weights: State
    """Where the weights lay and how often they had been written when the copy was made."""
    compiled: nn.Module


_KEPT: "WeakKeyDictionary[nn.Module, _Kept]" = WeakKeyDictionary()


def compiled_copy(model: nn.Module, copy: nn.Module, inputs: Inputs) -> tuple[nn.Module, str]:
    """A model's private copy compiled, and ""; or the copy as it is, and why.

    The compiled one is kept while the model lives and its weights stay what they are.
    """
    if copy is model:
        return copy, "the model cannot be copied, so it was not compiled"
    kept = _KEPT.get(model)
    if kept is not None and kept.weights == weights_state(model):
        return kept.compiled, ""
    first = inputs.of(0, 2)
    expected = snapshot(first.run(copy))
    try:
        compiled: nn.Module = torch.compile(copy)  # type: ignore[assignment]
        same = close(first.run(compiled), expected, tolerance=1e-5)
    except Exception as error:  # whatever a compiler of the day raises: it is missing, or cannot read the network
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return copy, f"the model could not be compiled: {reason}"
    if not same:
        return copy, "the compiled model says something else, so it was not used"
    _KEPT[model] = _Kept(weights_state(model), compiled)
    return compiled, ""
