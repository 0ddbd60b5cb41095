"""The two questions a person asks: explain these photos, attribute these tensors."""

from collections import UserDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .averaging import Average, Crops, find_average
from .engine.batching import Progress, takes_one
from .engine.inputs import Inputs
from .errors import BadValue
from .explanation import Explanation
from .fusion import Fusion
from .images import Photo, read_photo
from .look import look
from .models import Named, Subject, subject_of
from .models.plain import unwrapped
from .recipe import Recipe, recipes
from .seen import Seen, Wishes
from .targets import ClassTarget, Target
from .trees import map_tensors, tensors

_PRECISIONS = {"fp32": None, "float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def explain(
    model: str | nn.Module | Subject,
    photos: Any,
    *,
    method: Any = "grad_cam",
    target: Any = None,
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = None,
    average: str | Average | None = None,
    settings: dict[str, Any] | None = None,
    batch_size: int = 8,
    precision: str | None = None,
    compile: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Where a model looks in photos: an `Explanation`, or a flat list of them.

    photos: a path, PIL image, array, tensor (one photo), or a list of them.  method, target: one, or a list.
    One photo, method and target give one `Explanation`; a list of any gives a list, by photo, method, target.
    target: None (the prediction), index, name, synonym, wnid, "#2", "contrast:NAME", … or a function of the outputs.
    layers: names, modules, numbers, "all", "stage:-1", "layer2..layer4"; fused by `fuse` (mean, maximum, product, …).
    average: "flips", "noise", "path", "scales", "crops", with settings as in "noise:samples=16".
    precision: "bf16" or "fp16" autocasts the network.  compile: methods that show the network thousands of pictures use
    a copy made by `torch.compile`, which is kept for the next call.  Raises `HeatlensError`.
    """
    subject = subject_of(model)
    asked = recipes(method, settings or {}, layers, fuse, average)
    wanted = [subject.target(t) for t in (target if is_list(target) else [target])]
    several = is_list(photos)
    found: list[Explanation] = []
    loaded = [read_photo(photo) for photo in (photos if several else [photos])]
    if not loaded:
        return []
    joint = any(recipe.entry.joint for recipe in asked)
    size = 1 if takes_one(subject.model) else len(loaded) if joint else _at_least_one(batch_size)
    wishes = Wishes(False, False, precision_of(precision), progress, compile)
    for start in range(0, len(loaded), size):
        chunk = loaded[start : start + size]
        found += _explain_batch(subject, chunk, asked, wanted, wishes)
        if progress is not None:
            progress(min(start + size, len(loaded)), len(loaded))
    one = not (several or is_list(target) or is_list(method))
    return found[0] if one else found


def attribute(
    model: str | nn.Module | Subject,
    *inputs: Any,
    method: Any = "grad_cam",
    target: Any = None,
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = None,
    average: str | Average | None = None,
    settings: dict[str, Any] | None = None,
    upsample: bool = True,
    differentiable: bool = False,
    precision: str | None = None,
    compile: bool = False,
    **arguments: Any,
) -> Any:
    """Maps for tensors: `(n, *size)`, signed and unscaled as the method gives them, on the model's device.

    inputs, arguments: what the model is called with; the first tensor holds the images and gives the size.
    target: one for all images, or a list with one per image.
    method: one, or a list, which gives a dict name -> maps from the same pass.
    upsample=False keeps the layer's resolution; differentiable=True keeps the maps attached to inputs and weights.
    Raises `HeatlensError`.
    """
    subject = subject_of(unwrapped(model) if isinstance(model, nn.Module) else model)
    called = Inputs(*_on_device(subject, inputs, arguments))
    asked = recipes(method, settings or {}, layers, fuse, average)
    row = _one_each(subject, target, called.batch)
    wishes = Wishes(upsample, differentiable, precision_of(precision), compiled=compile)
    each = [(called.of(i, 1), row[i : i + 1]) for i in range(called.batch)]
    parts = each if takes_one(subject.model) else [(called, row)]
    seen = [look(subject, part, asked, [targets], wishes) for part, targets in parts]
    maps = [torch.cat([one.maps[r][0] for one in seen]) for r in range(len(asked))]
    return {r.entry.name: m for r, m in zip(asked, maps, strict=True)} if is_list(method) else maps[0]


def _explain_batch(
    subject: Subject, photos: Sequence[Photo], asked: Sequence[Recipe], wanted: Sequence[Target], wishes: Wishes
) -> list[Explanation]:
    subject, asked = _around(subject, asked)
    prepared = [subject.prepare(photo) for photo in photos]
    if len({image.shape for image, _ in prepared}) > 1:  # photos of their own sizes do not make a batch
        return [e for photo in photos for e in _explain_batch(subject, [photo], asked, wanted, wishes)]
    inputs = Inputs((subject.ready(torch.cat([image for image, _ in prepared])),))
    seen = look(subject, inputs, asked, [[target] * len(photos) for target in wanted], wishes)
    return [
        _explanation(subject, photo, placement, seen, r, t, i)
        for i, (photo, (_, placement)) in enumerate(zip(photos, prepared, strict=True))
        for r in range(len(asked))
        for t in range(len(wanted))
    ]


def _around(subject: Subject, asked: Sequence[Recipe]) -> tuple[Subject, Sequence[Recipe]]:
    """Crops are cut from a photo before its centre is: the subject that sees so much, recipes that know the size."""
    p, averages = subject.preprocessing, [find_average(recipe.average) for recipe in asked]
    if not all(isinstance(average, Crops) and not average.size for average in averages):
        return subject, asked
    narrow = p.before_cut == p.size or p.before_cut[0] < p.size[0] or p.before_cut[1] < p.size[1]
    if subject.any_size or p.resize == "pad" or narrow:
        return subject, asked
    wide = replace(subject, preprocessing=replace(p, size=p.before_cut))
    return wide, [
        replace(recipe, average=replace(average, size=p.size))  # type: ignore[type-var]
        for recipe, average in zip(asked, averages, strict=True)
    ]


def _explanation(subject: Subject, photo: Photo, placement: Any, seen: Seen, r: int, t: int, i: int) -> Explanation:
    recipe, target = seen.recipes[r], seen.targets[t][i]
    return Explanation(
        photo=photo,
        model=subject.name,
        recipe=recipe,
        target=target,
        name=target.text(subject.classes.name) if isinstance(target, ClassTarget) else _callable_name(target),
        score=float(seen.scores[t][i].detach()),
        probability=seen.probabilities[t][i],
        raw=np.ascontiguousarray(seen.maps[r][t][i].float().cpu().numpy()),
        placement=placement,
        predictions=_predictions(subject, seen, i),
        warnings=tuple(dict.fromkeys([*seen.notes[r][t], *_said_of(subject)])),
        signed=_signed(recipe, seen.maps[r][t][i]),
    )


def _said_of(subject: Subject) -> list[str]:
    """What a person should know about the model."""
    return [*(f"assumed {what}" for what in subject.assumed), *subject.remarks]


def _signed(recipe: Recipe, one: Tensor) -> bool:
    """Whether negative values of a shown map mean something; one that is shown from its lowest value on has none."""
    if recipe.entry.display == "range":
        return False
    return (recipe.entry.signed and len(recipe.layers) == 1) or bool((one < 0).any())


def _predictions(subject: Subject, seen: Seen, image: int) -> tuple[tuple[str, float], ...]:
    if seen.ranking is None:
        return ()
    best = seen.ranking[image].sort(descending=True, stable=True)
    return tuple(
        (subject.classes.name(int(c)), float(p)) for p, c in zip(best.values[:5], best.indices[:5], strict=True)
    )


def _callable_name(target: Callable[..., Any]) -> str:
    return getattr(target, "__name__", type(target).__name__)


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
    if not any(tensor.ndim > 2 for tensor in tensors([moved, named])):
        raise BadValue("no tensor of images among the inputs", "a tensor (n, channels, *size)")
    return moved, named


def is_list(value: Any) -> bool:
    """Whether several were given."""
    return isinstance(value, list | tuple)


def _at_least_one(batch_size: int) -> int:
    if batch_size < 1:
        raise BadValue(f"batch_size={batch_size}", "at least 1")
    return batch_size


def precision_of(name: str | None) -> torch.dtype | None:
    """The type to autocast to; None: the model as it is."""
    if name is not None and name not in _PRECISIONS:
        raise BadValue(f"precision {name!r}", f"one of {', '.join(_PRECISIONS)}")
    return None if name is None else _PRECISIONS[name]
