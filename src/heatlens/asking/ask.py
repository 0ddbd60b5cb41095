"""The two questions a person asks: explain these photos, attribute these tensors."""

from collections import UserDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..engine.forward.batching import Progress, takes_one
from ..images import sources_of
from ..models import Named, Subject, subject_of
from ..models.subject.plain import unwrapped
from ..recipes.averages import Average
from ..recipes.fusion import Fusion
from ..recipes.naming import told_apart
from ..recipes.recipe import AUTO, Recipe, recipes
from ..targets import Box, Target
from ..words.errors import BadValue
from ..words.trees import map_tensors, tensors
from .batches import FailedPhoto, answered, in_order
from .explaining import explain_batch, wanted_of
from .explanation import Explanation
from .look import look
from .request import Wishes

_PRECISIONS = {"fp32": None, "float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def explain(
    model: str | nn.Module | Subject,
    photos: Any,
    *,
    method: Any = "grad_cam",
    target: Any = None,
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
    settings: dict[str, Any] | None = None,
    batch_size: int = 8,
    precision: str | None = None,
    compile: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Where a model looks in photos: an `Explanation`, or a flat list of them.

    photos: a path, PIL image, array, tensor (one photo); or several: a list or generator of them, a folder, a pattern.
    method, target: one, or a list.
    One photo, method and target give one `Explanation`; several of any give a list, by photo, method, layer, target.
    Among several photos one that fails has a `FailedPhoto` in each of its places.
    target: None (the prediction), index, name, synonym, wnid, "#2", "contrast:NAME", … or a function of the outputs.
    layers: names, modules, numbers as in `heatlens layers`, "all", "stage:-1", "layer2..layer4"; several are fused
    by `fuse` (mean, maximum, product, tanh_maximum; "auto": as the method declares), or with None explained one by one.
    negative: what speaks against counts below zero, also where the method has only what speaks for: its map, less that
    of the target's opposite.
    average: "flips", "noise", "path", "scales", "crops", with settings as in "noise:samples=16".
    precision: "bf16" or "fp16" autocasts the network.  compile: methods that show the network thousands of pictures use
    a copy made by `torch.compile`, which is kept for the next call.  Raises `HeatlensError`.
    """
    subject = subject_of(model)
    asked = recipes(method, settings or {}, layers, fuse, average, negative)
    wanted = wanted_of(subject, target if is_list(target) else [target])
    sources, several = sources_of(photos)
    wishes = Wishes(False, False, precision_of(precision), progress, compile)
    if not several:
        (found,) = explain_batch(subject, [subject.read(sources[0])], asked, wanted, wishes)
        one = wanted and not (is_list(target) or is_list(method) or any(recipe.apart for recipe in asked))
        return found[0] if one else found
    places: list[list[Explanation] | FailedPhoto] = []
    for place in explanations(subject, sources, asked, wanted, wishes, batch_size):
        places.append(place)
        if progress is not None:
            progress(len(places), len(sources))
    return in_order(places, len(asked) * max(1, len(wanted)))


def explanations(
    subject: Subject,
    sources: Sequence[Any],
    asked: Sequence[Recipe],
    wanted: Sequence[Target],
    wishes: Wishes,
    batch_size: int,
) -> Iterator[list[Explanation] | FailedPhoto]:
    """Photo by photo its explanations, by recipe and target, or why there are none."""
    if batch_size < 1:
        raise BadValue(f"batch_size={batch_size}", "at least 1")
    joint = any(recipe.entry.joint for recipe in asked)
    size = 1 if takes_one(subject.model) else max(1, len(sources)) if joint else batch_size
    answer = lambda photos: explain_batch(subject, [*photos.values()], asked, wanted, wishes)  # noqa: E731
    return answered(sources, size, answer, subject.read)


def attribute(
    model: str | nn.Module | Subject,
    *inputs: Any,
    method: Any = "grad_cam",
    target: Any = None,
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
    settings: dict[str, Any] | None = None,
    upsample: bool = True,
    differentiable: bool = False,
    precision: str | None = None,
    compile: bool = False,
    **arguments: Any,
) -> Any:
    """Maps for tensors: `(n, *size)`, signed and unscaled as the method gives them, on the model's device.

    inputs, arguments: what the model is called with; the first tensor holds the images and gives the size.  A detector
    takes a list of pictures too; where they have several sizes, a list of maps comes back.
    target: one for all images, or a list with one per image.
    method: one, or a list, which gives a dict name -> maps from the same pass, in the order of the list.  A name is the
    method's; where several share it, what they differ in follows ("grad_cam layers=layer3"), or a number: "<lambda>-2".
    fuse: as in `explain`; None gives a dict layer -> maps.
    upsample=False keeps the layer's resolution; differentiable=True keeps the maps attached to inputs and weights.
    Raises `HeatlensError`.
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
    wishes = Wishes(upsample, differentiable, precision_of(precision), compiled=compile, scores=False)
    each = [(called.of(i, 1), row[i : i + 1]) for i in range(called.batch)]
    parts = each if takes_one(subject.model) or called.folded else [(called, row)]
    seen = [look(subject, part, asked, [targets], wishes) for part, targets in parts]
    found = seen[0].recipes
    maps = [torch.cat([one.maps[r][0] for one in seen]) for r in range(len(found))]
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


def _one_by_one(subject: Subject, pictures: Sequence[Tensor], target: Any, ask: dict[str, Any]) -> Any:
    """A list of maps (h, w), or of each method or layer one."""
    each = target if is_list(target) else [target] * len(pictures)
    found = [attribute(subject, one[None], target=t, **ask) for one, t in zip(pictures, each, strict=True)]
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


def is_list(value: Any) -> bool:
    """Whether several were given."""
    return isinstance(value, list | tuple)


def precision_of(name: str | None) -> torch.dtype | None:
    """The type to autocast to; None: the model as it is."""
    if name is not None and name not in _PRECISIONS:
        raise BadValue(f"precision {name!r}", f"one of {', '.join(_PRECISIONS)}")
    return None if name is None else _PRECISIONS[name]
