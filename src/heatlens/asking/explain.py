"""The question where a model looks in photos: `explain`."""

from collections.abc import Iterator, Sequence
from typing import Any, Unpack, overload

from ..engine.forward.batching import Progress, takes_one
from ..images import sources_of
from ..models import Subject, subject_of
from ..recipes.asked import recipes
from ..recipes.averages import Average
from ..recipes.fusion import Fusion
from ..recipes.recipe import AUTO, Recipe
from ..targets import Target
from ..words.errors import BadValue
from .batches import FailedPhoto, answered, in_order
from .explaining import explain_batch, wanted_of
from .explanation import Explanation
from .given import (
    HowExplained,
    Layers,
    Model,
    OneMethod,
    OnePhoto,
    OneTarget,
    SeveralMethods,
    SeveralPhotos,
    SeveralTargets,
    as_list,
    is_list,
    precision_of,
)
from .request import Wishes


@overload
def explain(
    model: Model,
    photos: OnePhoto,
    *,
    method: OneMethod = ...,
    target: OneTarget = ...,
    fuse: str | Fusion = ...,
    **how: Unpack[HowExplained],
) -> Explanation: ...
@overload
def explain(
    model: Model,
    photos: OnePhoto,
    *,
    method: SeveralMethods,
    target: OneTarget | SeveralTargets = ...,
    fuse: str | Fusion | None = ...,
    **how: Unpack[HowExplained],
) -> list[Explanation]: ...
@overload
def explain(
    model: Model,
    photos: OnePhoto,
    *,
    method: OneMethod = ...,
    target: SeveralTargets,
    fuse: str | Fusion | None = ...,
    **how: Unpack[HowExplained],
) -> list[Explanation]: ...
@overload
def explain(
    model: Model,
    photos: OnePhoto,
    *,
    method: OneMethod = ...,
    target: OneTarget = ...,
    fuse: None,
    **how: Unpack[HowExplained],
) -> list[Explanation]: ...
@overload
def explain(
    model: Model,
    photos: SeveralPhotos,
    *,
    method: OneMethod | SeveralMethods = ...,
    target: OneTarget | SeveralTargets = ...,
    fuse: str | Fusion | None = ...,
    **how: Unpack[HowExplained],
) -> list[Explanation | FailedPhoto]: ...
def explain(
    model: Model,
    photos: OnePhoto | SeveralPhotos,
    *,
    method: OneMethod | SeveralMethods = "grad_cam",
    target: OneTarget | SeveralTargets = None,
    layers: Layers = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
    settings: dict[str, Any] | None = None,
    batch_size: int = 8,
    precision: str | None = None,
    compile: bool = False,
    progress: Progress | None = None,
) -> Explanation | list[Explanation] | list[Explanation | FailedPhoto]:
    """Where a model looks in photos: an `Explanation`, or a flat list of them.

    model: a name that `heatlens.load` understands, a module, or a `Subject`; it is left as it was found.
    photos: one, as a path, bytes, PIL image, array (H, W, 3) or tensor (3, H, W), uint8 or floats in [0, 1]; or
    several: a list or generator of them, a folder, a pattern.
    method: how, `heatlens.methods()` lists the names; a function of your own, a `Recipe`, or a list of any.
    target: what, or a list: None (the prediction; of a detector, what it finds), an index, name, synonym, wnid, "#2",
    "contrast:NAME", …, or a function outputs -> (n,).
    layers: where: names, modules, numbers as in `heatlens layers`, "all", "stage:-1", "layer2..layer4"; None: the
    recommended one, or what the method is meant for.
    fuse: how several layers become one map: mean, maximum, product, tanh_maximum, a function; "auto": as the method
    declares; None: a map of each.
    average: over views: "flips", "noise", "path", "scales", "crops", with settings as in "noise:samples=16"; None: one.
    negative: False, or what speaks against counts below zero, also where the method has only what speaks for: its map,
    less that of the target's opposite.
    settings: of the method, by name; None: its own.
    batch_size: photos that the model is shown at once, 8; fewer where memory runs out.
    precision: None (as the model is), "fp32", "bf16" or "fp16", to which the network is autocast.
    compile: False, or methods that show the network thousands of pictures use a copy made by `torch.compile`, which is
    kept for the next call.
    progress: told (done, total) while it works.

    One photo, method and target give one `Explanation`; several of any give a list, by photo, method, layer, target.
    Among several photos one that fails has a `FailedPhoto` in each of its places.
    Costs one forward pass for a batch, one backward pass for a target, and what `heatlens methods NAME` says.
    Raises `HeatlensError`.
    """
    subject = subject_of(model)
    asked = recipes(method, settings or {}, layers, fuse, average, negative)
    wanted = wanted_of(subject, as_list(target))
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
    alone = takes_one(subject.model)
    joint = not alone and any(recipe.entry.joint for recipe in asked)
    answer = lambda photos: explain_batch(subject, [*photos.values()], asked, wanted, wishes)  # noqa: E731
    return answered(sources, 1 if alone else batch_size, answer, subject.read, together=joint)
