"""From what a model returns to numbers per class, and from targets to one score per image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..words.errors import BadValue
from ..words.trees import Tree, map_tensors, taken
from .meaning import Answer, Meaning, picked, raw_of

Target = Callable[[Any], Tensor]
"""What is explained: the model's outputs for n images -> one score per image (n,)."""


class Reads:
    """A target of heatlens: it is given outputs with their meaning, where others get what the model returned."""


def given_to(target: Any, outputs: Tree) -> Tree:
    """The outputs as a target takes them."""
    return outputs if isinstance(target, Reads) else raw_of(outputs)


def logits_of(outputs: Tree) -> Tensor:
    """The class scores: logits, of a model that returned probabilities too; `BadValue` where it is not plain which."""
    return outputs.logits if isinstance(outputs, Answer) else picked(outputs, Meaning())


def scores_in(outputs: Tree) -> Tensor | None:
    """The class scores; None where it is not plain which of the outputs they are."""
    try:
        return logits_of(outputs)
    except BadValue:
        return None


def numbers_of(outputs: Tree) -> Tensor:
    """The same as the model returned it."""
    return outputs.numbers if isinstance(outputs, Answer) else picked(outputs, Meaning())


def with_logits(outputs: Tree, new: Tensor) -> Tree:
    """The outputs with other class scores, turned into what the model returns."""
    old, scores = numbers_of(outputs), outputs.meaning.scores if isinstance(outputs, Answer) else None
    turned = new.softmax(1) if scores == "softmax" else new.sigmoid() if scores == "sigmoid" else new
    return map_tensors(lambda tensor: turned if tensor is old else tensor, outputs)


def each_its_own(outputs: Tree) -> bool:
    """Whether any number of the classes may be true, not one alone."""
    return isinstance(outputs, Answer) and outputs.meaning.each_its_own


def named_tensor(outputs: Tree, name: str) -> Tensor | None:
    """The tensor of this name in a dict or an object, where there is one."""
    raw = raw_of(outputs)
    found = raw.get(name) if isinstance(raw, dict) else getattr(raw, name, None)
    return found if isinstance(found, Tensor) else None


def class_logits(outputs: Tree) -> Tensor:
    """Scores (n, classes).  A model with one logit z speaks of two classes: -z for class 0, z for class 1."""
    raw = raw_of(outputs)
    if isinstance(raw, list) and raw and isinstance(raw[0], Mapping):
        raise BadValue(
            "the model's outputs are detections, so a class alone does not say what is explained",
            "one of its detections",
            "write box:CLASS, or box:#1 for the strongest",
        )
    logits = logits_of(outputs)
    if logits.ndim == 1:
        logits = logits[:, None]
    if logits.ndim != 2:
        picture = (
            "write region:CLASS, or pass a function of the outputs, e.g. target=lambda out: out[:, 3].mean((1, 2))"
        )
        boxes = "of a detector's (images, 4 + classes, boxes): target=lambda out: out[:, 4 + CLASS].amax(1)"
        raise BadValue(
            f"the model's outputs have shape {tuple(logits.shape)}, so a class alone does not say what is explained",
            "outputs (images, classes)",
            picture if logits.ndim > 3 else f"pass a function of the outputs; {boxes}",
        )
    return torch.cat([-logits, logits], 1) if logits.shape[1] == 1 else logits


def class_probabilities(outputs: Tree) -> Tensor:
    """Softmax over the classes; a sigmoid for each where several may be true, and for a model with one logit."""
    return log_probabilities(outputs).exp()


def log_probabilities(outputs: Tree) -> Tensor:
    """Their logarithm, finite for the most hopeless class too."""
    logits = class_logits(outputs)
    if logits_of(outputs).shape[1:] in ((), (1,)):
        return (logits / 2).log_softmax(1)
    return torch.nn.functional.logsigmoid(logits) if each_its_own(outputs) else logits.log_softmax(1)


def column(scores: Tensor, index: int) -> Tensor:
    """The score of one class, (n,)."""
    classes = scores.shape[1]
    if not 0 <= index < classes:
        raise BadValue(
            f"the model has no class {index}", f"an index from 0 to {classes - 1}", "all names: heatlens classes MODEL"
        )
    return scores[:, index]


def score_each(outputs: Tree, targets: Sequence[Target]) -> Tensor:
    """y (n,), when image i is explained by targets[i]; equal targets are computed together."""
    groups: list[tuple[Target, list[int]]] = []
    for row, target in enumerate(targets):
        rows = next((rows for known, rows in groups if known is target or known == target), None)
        if rows is None:
            groups.append((target, [row]))
        else:
            rows.append(row)
    if len(groups) == 1:
        return _scalar_each(targets[0], outputs, len(targets))
    parts = [_scalar_each(t, taken(outputs, len(targets), rows), len(rows)) for t, rows in groups]
    order = torch.tensor([row for _, rows in groups for row in rows], device=parts[0].device)
    return torch.cat(parts)[order.argsort()]


def _scalar_each(target: Target, outputs: Tree, images: int) -> Tensor:
    score = target(given_to(target, outputs))
    if not isinstance(score, Tensor) or score.numel() != images:
        got = f"a tensor {tuple(score.shape)}" if isinstance(score, Tensor) else f"a {type(score).__name__}"
        raise BadValue(
            f"the target {described(target)} returned {got} for {images} image{'s' * (images != 1)}",
            "one number per image (n,)",
            "for example target=lambda outputs: outputs[:, 3]",
        )
    return score.reshape(images)


def described(target: Target) -> str:
    """A target in words, for messages."""
    return getattr(target, "__name__", str(target))
