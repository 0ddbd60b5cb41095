"""From what a model returns to numbers per class, and from targets to one score per image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..words.errors import BadValue
from ..words.trees import Tree, map_tensors, rows, taken
from .meaning import Answer, Meaning, picked, raw_of

Target = Callable[[Any], Tensor]
"""What is explained: the model's outputs for n images -> one score per image (n,)."""


class Reads:
    """A target of heatlens: it is given outputs with their meaning, where others get what the model returned."""

    def __call__(self, outputs: Tree) -> Tensor:
        """y (n,) where the images have this one target."""
        return self.of_each(outputs, [self])

    def alike(self, other: Any) -> bool:
        """Whether `of_each` knows what both are worth, so that images with either are reckoned together."""
        return False

    def of_each(self, outputs: Tree, row: Sequence[Any]) -> Tensor:
        """y (n,) of image i for row[i], targets that are like this one."""
        raise NotImplementedError

    @classmethod
    def settle_each(cls, row: Sequence[Any], outputs: Tree) -> "list[Any]":
        """Targets of this kind with every open choice fixed, row[i] for image i."""
        return one_by_one(row, outputs)


def one_by_one(row: Sequence[Any], outputs: Tree) -> list[Any]:
    """Targets settled on the outputs of their own image, where nothing is shared."""
    return [target.settle(rows(outputs, len(row), i, 1)) for i, target in enumerate(row)]


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


def column(scores: Tensor, of: int | Sequence[int]) -> Tensor:
    """The score of one class, or of a class for each image: (n,), or (n, *space)."""
    asked = (of,) if isinstance(of, int) else of
    classes = scores.shape[1]
    for index in asked:
        if not 0 <= index < classes:
            raise BadValue(
                f"the model has no class {index}",
                f"an index from 0 to {classes - 1}",
                "all names: heatlens classes MODEL",
            )
    if len(set(asked)) == 1:
        return scores[:, asked[0]]
    at = torch.tensor(asked, device=scores.device).reshape(-1, *[1] * (scores.ndim - 1))
    return scores.gather(1, at.expand(-1, 1, *scores.shape[2:])).squeeze(1)


def score_each(outputs: Tree, targets: Sequence[Target]) -> Tensor:
    """y (n,), when image i is explained by targets[i]; equal targets, and those that are alike, at once."""
    groups: list[tuple[Target, list[int]]] = []
    known: dict[int, list[int]] = {}
    for row, target in enumerate(targets):
        if id(target) not in known:
            same = next((rows for first, rows in groups if _together(first, target)), None)
            if same is None:
                groups.append((target, same := []))
            known[id(target)] = same
        known[id(target)].append(row)
    if len(groups) == 1:
        return _scores(targets, outputs)
    parts = [_scores([targets[i] for i in at], taken(outputs, len(targets), at)) for _, at in groups]
    order = torch.tensor([row for _, at in groups for row in at], device=parts[0].device)
    return torch.cat(parts)[order.argsort()]


def _together(first: Target, other: Target) -> bool:
    return first == other or (isinstance(first, Reads) and first.alike(other))


def _scores(row: Sequence[Target], outputs: Tree) -> Tensor:
    """Of targets that are equal or alike."""
    first, images = row[0], len(row)
    if isinstance(first, Reads) and any(other is not first and other != first for other in row):
        score = first.of_each(outputs, row)
    else:
        score = first(given_to(first, outputs))
    if not isinstance(score, Tensor) or score.numel() != images:
        got = f"a tensor {tuple(score.shape)}" if isinstance(score, Tensor) else f"a {type(score).__name__}"
        raise BadValue(
            f"the target {described(first)} returned {got} for {images} image{'s' * (images != 1)}",
            "one number per image (n,)",
            "for example target=lambda outputs: outputs[:, 3]",
        )
    return score if score.ndim == 1 else score.reshape(images)


def described(target: Target) -> str:
    """A target in words, for messages."""
    return getattr(target, "__name__", str(target))
