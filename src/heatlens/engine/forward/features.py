"""What the last dense layer of a network is given: the vector in which it sees a picture."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ...words.errors import EvidenceMissing
from ...words.trees import Tree
from .inputs import Inputs


def features_of(model: nn.Module, inputs: Inputs) -> tuple[Tree, Tensor]:
    """What a model returns, and the (n, c) that its last dense layer made it from.

    Raises EvidenceMissing where the network has no such layer.
    """
    with _given_to_dense(model) as given:
        outputs = inputs.shown_to(model)
    if not given or given[-1].ndim != 2 or len(given[-1]) != inputs.batch:
        raise EvidenceMissing(
            f"{type(model).__name__} ends in no dense layer", "a network whose last layer is torch.nn.Linear"
        )
    return outputs, given[-1].detach().float()


@contextmanager
def _given_to_dense(model: nn.Module) -> Iterator[list[Tensor]]:
    given: list[Tensor] = []

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        given.append(args[0])

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                hooks.callback(module.register_forward_pre_hook(note).remove)
        yield given
