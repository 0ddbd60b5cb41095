"""A model run in float64, its weights lent to it as float64 for the length of one pass."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...targets.meaning import read
from ...words.trees import Tree, map_tensors
from .batching import out_of_memory
from .inputs import Inputs


class NotDoubledError(Exception):
    """The model, or its device, cannot be anything else than it is."""


def run_in_double(model: nn.Module, inputs: Inputs) -> Tree:
    """Its outputs in float64, or `NotDoubledError`."""
    try:
        with torch.no_grad():
            state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
            lent = {name: _double(x) for name, x in state.items()}
        args, kwargs = map_tensors(_double, (inputs.args, inputs.kwargs))
        return read(functional_call(model, lent, args, kwargs), inputs.meaning)
    except (RuntimeError, TypeError) as error:
        if isinstance(error, RuntimeError) and out_of_memory(error):
            raise
        raise NotDoubledError from error


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x
