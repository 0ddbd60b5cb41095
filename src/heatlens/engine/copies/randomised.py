"""A private copy of a network whose weights are drawn anew, layer by layer."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Literal

import torch
from torch import nn

from ...words.errors import EvidenceMissing
from ..forward.inputs import Inputs
from ..forward.layer_outputs import survey
from .fast_copy import without_hooks

Scheme = Literal["cascading", "independent"]
"""Every layer from the outputs down to this one, or this layer alone."""


def randomised(model: nn.Module, inputs: Inputs, scheme: Scheme, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Each layer that has weights, the last first, with a copy of the model in which they are drawn anew.

    The copy is the next one's start under "cascading": use it before asking for the next.  The model is only read.
    """
    names = _weighted(model, inputs)
    copy = _copied(model)
    for position, name in enumerate(names):
        if scheme == "independent":
            copy = _copied(model)
        draw_anew(copy.get_submodule(name), seed + position)
        yield name, copy


def draw_anew(layer: nn.Module, seed: int) -> None:
    """The layer's own weights as before any training: by its `reset_parameters`, else normal with their own spread."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spare = deepcopy(layer).cpu()
        if callable(reset := getattr(spare, "reset_parameters", None)):
            reset()
        else:
            for weights in spare.parameters(recurse=False):
                weights.normal_(float(weights.mean()), float(weights.std(correction=0)))
        for own, new in zip(_state(layer), _state(spare), strict=True):
            own.copy_(new)


def _state(layer: nn.Module) -> list[torch.Tensor]:
    return [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]


def _weighted(model: nn.Module, inputs: Inputs) -> list[str]:
    """The layers with weights of their own that take part, in the reverse of the order in which they finish.

    Weights of the model itself come last: they are mostly what is added to the input, such as positions.
    """
    found, _ = survey(model, inputs)
    names = [*(f.name for f in reversed(found)), ""]
    own = [name for name in names if any(True for _ in model.get_submodule(name).parameters(recurse=False))]
    if not own:
        raise EvidenceMissing(f"{type(model).__name__} has no layers with weights", "weights to draw anew")
    return own


def _copied(model: nn.Module) -> nn.Module:
    try:
        return without_hooks(deepcopy(model))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise EvidenceMissing(
            f"{type(model).__name__} cannot be copied ({error}), and its own weights are not touched",
            "a model that copy.deepcopy can copy",
        ) from error
