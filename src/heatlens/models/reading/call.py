"""What a model is called with, its axes and outputs read as they are declared, or as its first step shows."""

from dataclasses import replace
from typing import Any

from torch import nn

from ...engine.forward.axes import found_axes
from ...engine.forward.inputs import Inputs
from ...engine.state.evaluating import evaluating
from ...engine.state.unoptimised import ordinary
from ...words.errors import BadValue
from ...words.trees import map_tensors
from .layouts import Reading


def read_inputs(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading, classes: int = 0
) -> Inputs:
    """The inputs of a model with so many named classes."""
    args, kwargs = map_tensors(ordinary, (args, kwargs))
    inputs = Inputs(args, kwargs, replace(reading.outputs, classes=classes))
    declared = None if reading.axes is None else _channels(reading.axes, inputs)
    with evaluating(model):
        found = found_axes(model, inputs, declared)
    return replace(inputs, channels=found.channels, folded=found.folded)


def _channels(axes: str, inputs: Inputs) -> int:
    shape = tuple(inputs.given.shape)
    if len(axes) != len(shape) or axes[:1] != "n" or axes.count("c") != 1:
        raise BadValue(f"axes={axes!r} for images of shape {shape}", "a letter for each axis, n first, c the channels")
    return axes.index("c")
