"""A model run in float64, its weights lent to it as float64 for the length of one pass."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..targets.meaning import read
from ..trees import Tree, map_tensors
from .batching import out_of_memory
from .inputs import Inputs


def run_in_double(model: nn.Module, inputs: Inputs) -> Tree:
    """Its outputs in float64; as they are where the model, or its device, cannot be anything else."""
    with torch.no_grad():
        state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        try:
            lent = {name: _double(x) for name, x in state.items()}
        except TypeError:  # a device without float64
            return inputs.run(model)
    args, kwargs = map_tensors(_double, (inputs.args, inputs.kwargs))
    try:
        return read(functional_call(model, lent, args, kwargs), inputs.meaning)
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        return inputs.run(model)


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x
