"""The question where a model looks in tensors: `attribute`."""

from collections import UserDict
from collections.abc import Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn

from ..engine.forward.batching import takes_one
from ..models import Subject, subject_of
from ..models.subject.plain import unwrapped
from ..recipes.asked import recipes
from ..recipes.averages import Average
from ..recipes.fusion import Fusion
from ..recipes.naming import told_apart
from ..recipes.recipe import AUTO
from ..targets import Box, Target
from ..words.errors import BadValue
from ..words.trees import map_tensors, tensors
from .given import Layers, Model, OneMethod, OneTarget, SeveralMethods, SeveralTargets, is_list, precision_of
from .look import look
from .request import Wishes


@overload
def attribute(
    model: Model,
    *inputs: Any,
    method: OneMethod = ...,
    target: OneTarget | SeveralTargets = ...,
    layers: Layers = ...,
    fuse: str | Fusion = ...,
    average: str | Average | None = ...,
    negative: bool = ...,
    settings: dict[str, Any] | None = ...,
    upsample: bool = ...,
    differentiable: bool = ...,
    precision: str | None = ...,
    compile: bool = ...,
    **arguments: Any,
) -> Tensor: ...
@overload
def attribute(
    model: Model,
    *inputs: Any,
    method: SeveralMethods,
    target: OneTarget | SeveralTargets = ...,
    layers: Layers = ...,
    fuse: str | Fusion | None = ...,
    average: str | Average | None = ...,
    negative: bool = ...,
    settings: dict[str, Any] | None = ...,
    upsample: bool = ...,
    differentiable: bool = ...,
    precision: str | None = ...,
    compile: bool = ...,
    **arguments: Any,
) -> dict[str, Tensor]: ...
@overload
def attribute(
    model: Model,
    *inputs: Any,
    method: OneMethod = ...,
    target: OneTarget | SeveralTargets = ...,
    layers: Layers = ...,
    fuse: None,
    average: str | Average | None = ...,
    negative: bool = ...,
    settings: dict[str, Any] | None = ...,
    upsample: bool = ...,
    differentiable: bool = ...,
    precision: str | None = ...,
    compile: bool = ...,
    **arguments: Any,
) -> dict[str, Tensor]: ...
def attribute(
    model: Model,
    *inputs: Any,
    method: OneMethod | SeveralMethods = "grad_cam",
    target: OneTarget | SeveralTargets = None,
    layers: Layers = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
    settings: dict[str, Any] | None = None,
    upsample: bool = True,
    differentiable: bool = False,
    precision: str | None = None,
    compile: bool = False,
    **arguments: Any,
) -> Tensor | list[Tensor] | dict[str, Tensor] | dict[str, list[Tensor]]:
    """Maps for tensors: `(n, *size)`, signed and unscaled as the method gives them, on the model's device.

    model: a name that `heatlens.load` understands, a module, or a `Subject`; it is left as it was found.
    inputs, arguments: what the model is called with, ready for it (scaled and normalised); the first tensor holds the
    images `(n, channels, *size)` and gives the size.  A detector takes a list of pictures `(channels, h, w)` too; where
    they have several sizes, a list of maps comes back.
    method: one, or a list, which gives a dict name -> maps from the same pass, in the order of the list.  A name is the
    method's; where several share it, what they differ in follows ("grad_cam layers=layer3"), or a number: "<lambda>-2".
    target: one for all images, or a list with one per image; None: the prediction of each.
    layers, average, negative, settings, precision, compile: as in `explain`.
    fuse: as in `explain`; None gives a dict layer -> maps.
    upsample: True, or False, which keeps the layer's resolution.
    differentiable: False, or True, which keeps the maps attached to inputs and weights.

    Costs one forward pass, one backward pass through the network behind the layers, and what `heatlens methods NAME`
    says.  Raises `HeatlensError`.
    """
    subject = subject_of(unwrapped(model) if isinstance(model, nn.Module) else model)
    if isinstance(subject.usual, Box) and (listed := _pictures(inputs)):
        if len({picture.shape for picture in listed}) > 1:
            ask = {"method": method, "layers": layers, "fuse": fuse, "average": average, "settings": settings}
            ask |= {"negative": negative}
            form = {"upsample": upsample, "differentiable": differentiable, "precision": precision, "compile": compile}
            return _one_by_one(subject, listed, target, ask | form)
        inputs = (torch.stack(listed),)
    called = subject.shown(*_on_device(subject, inputs, arguments))
    asked = recipes(method, settings or {}, layers, fuse, average, negative)
    row = _one_each(subject, target, called.batch)
    wishes = Wishes(upsample, differentiable, precision_of(precision), compiled=compile, scores=False, notes=False)
    alone = takes_one(subject.model) or called.folded
    parts = [(called.of(i, 1), row[i : i + 1]) for i in range(called.batch)] if alone else [(called, row)]
    seen = [look(subject, part, asked, [targets], wishes) for part, targets in parts]
    found = seen[0].recipes
    each = [[one.maps[r][0] for one in seen] for r in range(len(found))]
    maps: list[Tensor] = [torch.cat(of_recipe) if len(of_recipe) > 1 else of_recipe[0] for of_recipe in each]
    if not is_list(method) and not asked[0].apart:
        return maps[0]
    by_layer = not is_list(method) and not asked[0].parts
    return dict(
        zip([(*r.layers, r.entry.name)[0] for r in found] if by_layer else told_apart(found), maps, strict=True)
    )


def _pictures(inputs: Sequence[Any]) -> list[Tensor]:
    """Pictures (channels, h, w) in a list, where a model is called with one and nothing else."""
    given = inputs[0] if len(inputs) == 1 and is_list(inputs[0]) else []
    return list(given) if all(isinstance(one, Tensor) and one.ndim == 3 for one in given) else []


def _one_by_one(
    subject: Subject, pictures: Sequence[Tensor], target: Any, ask: dict[str, Any]
) -> list[Tensor] | dict[str, list[Tensor]]:
    """A list of maps (h, w), or of each method or layer one."""
    each = target if is_list(target) else [target] * len(pictures)
    found: list[Any] = [attribute(subject, one[None], target=t, **ask) for one, t in zip(pictures, each, strict=True)]
    if isinstance(found[0], dict):
        return {key: [maps[key][0] for maps in found] for key in found[0]}
    return [maps[0] for maps in found]


def _one_each(subject: Subject, target: Any, images: int) -> list[Target]:
    if not is_list(target):
        return [subject.target(target)] * images
    if len(target) != images:
        raise BadValue(f"{len(target)} targets for {images} inputs", "one target for all, or one per input")
    return [subject.target(t) for t in target]


def _on_device(
    subject: Subject, inputs: Iterable[Any], arguments: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """On the model's device; what a processor of transformers returns (a UserDict) is spread into keywords."""
    spread = {key: x for given in inputs if isinstance(given, UserDict) for key, x in given.items()}
    moved = tuple(map_tensors(subject.ready, x) for x in inputs if not isinstance(x, UserDict))
    named: dict[str, Any] = map_tensors(subject.ready, {**spread, **arguments})
    spatial = [tensor for tensor in tensors([moved, named]) if tensor.ndim > 2]
    if not spatial:
        raise BadValue("no tensor of images among the inputs", "a tensor (n, channels, *size)")
    if not any(tensor.is_floating_point() for tensor in spatial):
        raise BadValue(
            f"images of type {spatial[0].dtype}",
            "floating-point numbers, scaled and normalised as the model takes them",
            "for example (images.float() / 255 - mean) / std; heatlens.explain does so with photos",
        )
    return moved, named
