"""What a model's outputs mean, found out once, on what it says of the unchanged images."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ...targets.meaning import Meaning, Scores, picked, place_of, raw_of
from ...words.errors import HeatlensError
from ...words.trees import Tree, tensors
from ..runtimes.shell import Shell
from .inputs import Inputs

_REMARKS: dict[str, str] = {
    "softmax": "the model returns probabilities that sum to 1: the logit that is explained is their logarithm",
    "sigmoid": "the model returns probabilities p, behind a sigmoid: the logit that is explained is log p / (1 - p)",
}
_REARRANGING = (
    "View", "Reshape", "UnsafeView", "Squeeze", "Unsqueeze", "Alias", "Clone", "ToCopy", "Slice", "Select", "Transpose",
    "TBackward", "Permute", "Expand",
)  # fmt: skip
"""Nodes of the graph that leave numbers what they are."""
_BIASED = ("Addmm", "Convolution")
"""Nodes that return numbers of any sign and sum, so no probabilities; a product alone may sum probabilities up."""
_SIGMOIDS = frozenset({torch.ops.aten.sigmoid.default, torch.ops.aten.sigmoid_.default})


def understood(model: nn.Module, inputs: Inputs, outputs: Tree) -> tuple[Meaning, list[str]]:
    """The meaning that was declared, with what the outputs themselves tell, and what a person should know of it.

    Where several tensors could hold the scores it stays open, for whoever asks for scores to refuse.
    """
    raw, meaning = raw_of(outputs), inputs.meaning
    try:
        numbers = picked(raw, meaning)
    except HeatlensError:
        return meaning, []
    if numbers.ndim == 0 or not numbers.numel():
        return meaning, []
    beside = len(tensors(raw)) > 1
    found = replace(meaning, output=place_of(raw, numbers) if beside else meaning.output)
    found = replace(found, pair=numbers.ndim > 2 and numbers.shape[1] == 1 and meaning.classes == 2)
    if meaning.scores is not None:
        return found, []
    scores = _scores(model, inputs, numbers)
    return replace(found, scores=scores), [_REMARKS[scores]] if scores in _REMARKS else []


def _scores(model: nn.Module, inputs: Inputs, numbers: Tensor) -> Scores:
    if (node := _last_node(numbers)) is not None and node.name().startswith(_BIASED):
        return "logits"  # which nobody has to look at
    x = numbers.detach().float()
    if not bool((x >= 0).all()):
        return "logits"
    tolerance = 1e-2 if numbers.dtype in (torch.float16, torch.bfloat16) else 2e-5
    if x.ndim > 1 and x.shape[1] > 1 and bool(((x.sum(1) - 1).abs() < tolerance).all()):
        return "softmax"
    return "sigmoid" if bool((x <= 1).all()) and _behind_a_sigmoid(model, inputs, numbers) else "logits"


def _behind_a_sigmoid(model: nn.Module, inputs: Inputs, numbers: Tensor) -> bool:
    """Whether a sigmoid returned the scores: by their graph, or by a pass in which every sigmoid is watched."""
    node = _last_node(numbers)
    if node is not None or isinstance(model, Shell):
        return node is not None and node.name().startswith("Sigmoid")
    with torch.no_grad(), _Watching() as watching:
        again = picked(raw_of(inputs.of(0, 1).run(model)), inputs.meaning)
    return any(_is(said, again) for said in watching.said)


def _last_node(numbers: Tensor) -> Any:
    """The last operation that made the numbers; None where no graph tells."""
    node = numbers.grad_fn
    while node is not None and node.name().startswith(_REARRANGING):
        node = node.next_functions[0][0]
    return node


def _is(said: Tensor, numbers: Tensor) -> bool:
    if said.numel() != numbers.numel():
        return False
    return said.untyped_storage().data_ptr() == numbers.untyped_storage().data_ptr() or torch.equal(
        said.flatten(), numbers.flatten()
    )


class _Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps what sigmoids return, in whatever way they are called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.said: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in _SIGMOIDS:
            self.said.append(out)
        return out
