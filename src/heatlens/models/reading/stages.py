"""Groups of layers: every convolution, and what the stages of a network end with."""

from math import prod
from typing import Any

from torch import nn

from ...engine.forward.inputs import Inputs
from ...engine.forward.layer_outputs import Found, survey
from ...engine.state.evaluating import evaluating
from .call import read_inputs
from .default_layer import class_count, recommend
from .layouts import Reading
from .spaces import layout_of, space_of


def convolutions(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """Every convolution whose output still has a space, in the order of the pass; not one that is the head."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    with evaluating(model):
        found, outputs = survey(model, inputs)
    classes = class_count(outputs, inputs)
    return tuple(
        layer.name if layer.calls == 1 else f"{layer.name}@{call}"
        for layer in found
        for call in range(layer.calls)
        if layer.kind.startswith("Conv") and prod(space_of(layer, inputs, reading)) > 1
        if not layer.head and layer.shape[1] != classes
    )


def stages(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """The last layer of every resolution, shallow to deep; the deepest is the recommended one."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    last: dict[tuple[int, ...], str] = {}
    for layer in _up_to_deepest(model, inputs, reading):
        space = space_of(layer, inputs, reading)
        if prod(space) > 1:
            last[space] = layer.name
    return tuple(last[space] for space in sorted(last, key=prod, reverse=True))


def blocks(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """What the stages before the deepest one end with, shallow to deep: of their layers the least nested, the last."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    found = _up_to_deepest(model, inputs, reading)
    if not found:
        return ()
    *shallower, deepest = found
    kind, coarsest = _kind(deepest, inputs, reading), prod(space_of(deepest, inputs, reading))
    last: dict[tuple[int, ...], str] = {}
    for layer in shallower:
        space = space_of(layer, inputs, reading)
        if prod(space) <= coarsest or _kind(layer, inputs, reading) is not kind:
            continue
        if layer.name.count(".") <= last.get(space, layer.name).count("."):
            last[space] = layer.name
    return tuple(last[space] for space in sorted(last, key=prod, reverse=True))


def _up_to_deepest(model: nn.Module, inputs: Inputs, reading: Reading) -> list[Found]:
    """The layers in the order of the pass, the recommended one last; none where there is none."""
    with evaluating(model):
        found, outputs = survey(model, inputs)
        deepest = recommend(model, inputs, reading, found, outputs)
    return found[: 1 + next((i for i, layer in enumerate(found) if layer.name == deepest), -1)]


def _kind(layer: Found, inputs: Inputs, reading: Reading) -> type:
    return type(layout_of(layer, inputs, reading))
