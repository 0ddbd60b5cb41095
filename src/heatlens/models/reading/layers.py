"""Every layer of a model, and which one to look at: the last whose map still carries gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from ...engine.forward.layer_outputs import survey
from ...engine.state.evaluating import evaluating
from ...words.errors import LayoutUnclear
from .call import read_inputs
from .default_layer import misread, recommend
from .layouts import Reading
from .spaces import space_of


@dataclass(frozen=True)
class Layer:
    """One row of `heatlens layers`."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """What it returned."""
    space: tuple[int, ...]
    """The places of its map; empty where there is none."""
    recommended: bool
    calls: int = 1
    """How often it runs in a pass."""
    number: int | None = None
    """Its place among the layers that have a map, by which it can be named; None where there is none."""


def list_layers(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading, declared: Sequence[str] = ()
) -> list[Layer]:
    """Every layer that a forward pass goes through, in the order in which they finish; recommended are the declared."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    with evaluating(model):
        found, outputs = survey(model, inputs)
        best = declared or (recommend(model, inputs, reading, found, outputs),)
    count = iter(range(len(found)))
    spaces = [space_of(f, inputs, reading) for f in found]
    return [
        Layer(f.name, f.kind, f.shape, space, f.name in best, f.calls, next(count) if prod(space) > 1 else None)
        for f, space in zip(found, spaces, strict=True)
    ]


def layer_calls(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading
) -> tuple[dict[str, int], tuple[str, ...]]:
    """How often each layer runs, and those that have a map, in the order that their numbers count."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    with evaluating(model):
        found, _ = survey(model, inputs)
    return {f.name: f.calls for f in found}, tuple(f.name for f in found if prod(space_of(f, inputs, reading)) > 1)


def recommended_layer(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> str:
    """The layer that is explained when nobody names one; `LayoutUnclear` where no layer has a space."""
    inputs = read_inputs(model, args, kwargs, reading).of_one_clip()
    with evaluating(model):
        found, outputs = survey(model, inputs)
        best = recommend(model, inputs, reading, found, outputs)
    if best is None and (error := misread(found, inputs, reading)) is not None:
        raise error
    if best is None and (zeros := _all_zero(model)):
        raise LayoutUnclear(
            f"the weights {zeros[-1]!r} of {type(model).__name__} are all zero, so its scores depend on no layer",
            "trained weights",
            "name them with weights=…, or a layer with layers=…",
        )
    if best is None:
        raise LayoutUnclear(
            f"{type(model).__name__} has no layer that still has a space and reaches the score",
            "a convolutional or patch-based network",
            "name one with layers=…; all of them: heatlens layers MODEL",
        )
    return best


def _all_zero(model: nn.Module) -> list[str]:
    """Matrices of zeros: what some libraries begin the head of an untrained network with."""
    named = model.named_parameters()
    return [name for name, p in named if name.endswith("weight") and p.ndim > 1 and not bool(p.any())]
