"""Where a model's inputs hold their channels, found out from what its first step takes; by a pass that ends there."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from ...words.errors import HeatlensError, LayoutUnclear
from ...words.trees import tensors
from .inputs import Inputs

_FIRST = (_ConvNd, _BatchNorm)
_FIRST_OF_SERIES = (*_FIRST, nn.Linear, nn.LayerNorm, nn.RNNBase)
_LETTERS = {3: "ncl", 4: "nchw", 5: "ncthw"}


@dataclass(frozen=True)
class Axes:
    """How a model's images lie in the tensor that it is given."""

    channels: int = 1
    folded: bool = False
    """Whether the first axis of their space (frames, views) is put into the batch by the model's first step."""


@dataclass(frozen=True)
class _Step:
    """The first module that reads the images: how many channels it takes, where, and what it was given."""

    channels: int
    last: bool
    given: Tensor


class _Reached(Exception):
    def __init__(self, step: _Step) -> None:
        self.step = step


def found_axes(model: nn.Module, inputs: Inputs, declared: int | None = None) -> Axes:
    """The axes of images as a model reads them; `LayoutUnclear` where two of them could be the channels.

    Open it inside `evaluating(model)`.  What the first step does not tell is as usual: channels behind the batch.
    declared: the axis of the channels, where somebody said it.
    """
    images = inputs.given
    if declared is None and images.ndim == 4 and _first_channels(model) == images.shape[1]:
        return Axes()
    step = _first_step(model, inputs) if images.ndim > 2 else None
    if declared is not None:
        return Axes(declared, step is not None and _is_folded(images, declared, step))
    return Axes() if step is None else _matching(images, step)


def _first_channels(model: nn.Module) -> int | None:
    return next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), None)


def _first_step(model: nn.Module, inputs: Inputs) -> _Step | None:
    def stop(module: nn.Module, args: Any, kwargs: Any) -> None:
        given = next((t for t in tensors([args, kwargs]) if t.is_floating_point()), None)
        if given is not None and given.ndim > 2:
            raise _Reached(_Step(_takes(module), isinstance(module, nn.Linear | nn.LayerNorm | nn.RNNBase), given))

    kinds = _FIRST_OF_SERIES if inputs.given.ndim == 3 else _FIRST
    watched = [module for module in model.modules() if isinstance(module, kinds)]
    if not watched:
        return None
    hooks = [module.register_forward_pre_hook(stop, with_kwargs=True) for module in watched]
    try:
        inputs.run(model)
    except _Reached as reached:
        return reached.step
    except (HeatlensError, RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError, AttributeError):
        return None  # the pass itself will say what is wrong
    finally:
        for hook in hooks:
            hook.remove()
    return None


def _takes(module: Any) -> int:
    for word in ("in_channels", "num_features", "in_features", "input_size"):
        if hasattr(module, word):
            return int(getattr(module, word))
    return int(module.normalized_shape[-1])


def _matching(images: Tensor, step: _Step) -> Axes:
    axes = [axis for axis in range(1, images.ndim) if images.shape[axis] == step.channels]
    exact = [axis for axis in axes if _fits(images, axis, step)]
    same = [axis for axis in exact if _same(images, axis, step)]
    found = same[:1] or exact or axes
    if len(found) > 1:
        shape = tuple(images.shape)
        raise LayoutUnclear(
            f"images of shape {shape}: axis {' or '.join(map(str, found))} could hold the {step.channels} channels",
            "to be told which",
            f"heatlens.load(model, axes={_LETTERS.get(images.ndim, 'nc…')!r}), with c where the channels are",
        )
    return Axes(found[0], _is_folded(images, found[0], step)) if found else Axes()


def _places(images: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(side for at, side in enumerate(images.shape) if at not in (0, axis))


def _fits(images: Tensor, axis: int, step: _Step) -> bool:
    """Whether the images without this axis have the places of what the first step was given."""
    places = _places(images, axis)
    if step.last:
        return step.given.shape[-1] == step.channels and step.given.numel() == images.numel()
    space = tuple(step.given.shape[2:])
    return places[len(places) - len(space) :] == space


def _same(images: Tensor, axis: int, step: _Step) -> bool:
    """Whether the first step was given the images themselves, with this axis as channels."""
    if step.given.numel() != images.numel():
        return False
    if step.last:
        moved = images.movedim(axis, -1)
        orders = (moved, moved.transpose(0, 1))
        return any(torch.equal(order.reshape(-1), step.given.reshape(-1)) for order in orders)
    extra = images.ndim - step.given.ndim
    moved = images.movedim(axis, 1 + extra)
    return torch.equal(moved.reshape(step.given.shape), step.given)


def _is_folded(images: Tensor, axis: int, step: _Step) -> bool:
    places = _places(images, axis)
    beside = places[: max(0, len(places) - (step.given.ndim - 2))]
    return not step.last and bool(beside) and len(step.given) == len(images) * prod(beside)
