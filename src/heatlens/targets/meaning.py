"""What a model's outputs mean: which tensor holds the scores, and what the model did to them already."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from ..words.errors import BadValue
from ..words.trees import Tree, tensors

Scores = Literal["logits", "multilabel", "softmax", "sigmoid"]
SCORES: dict[str, str] = {
    "logits": "scores of classes, one of which is true",
    "multilabel": "scores of labels, any of which may be true",
    "softmax": "probabilities of classes that sum to 1",
    "sigmoid": "probabilities, each behind a sigmoid of its own",
}
_NAMES = ("logits", "out")
"""What libraries call the scores among other outputs."""


@dataclass(frozen=True)
class Meaning:
    """How a model's outputs are read."""

    output: int | str | None = None
    """Which of several tensors holds the scores, by its place or name; None: the only one, or the one that is plain."""
    scores: Scores | None = None
    """None: not known yet."""
    classes: int = 0
    """How many classes were named; 0: nobody did."""
    pair: bool = False
    """Whether one number a place speaks of two named classes, the second where it is above 0."""

    @property
    def matters(self) -> bool:
        """Whether outputs are to be read otherwise than as they are."""
        return self.output is not None or self.scores not in (None, "logits") or self.pair

    @property
    def each_its_own(self) -> bool:
        """Whether any number of classes may be true."""
        return self.scores in ("multilabel", "sigmoid")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model returned, with its meaning."""

    raw: Tree
    meaning: Meaning

    @property
    def numbers(self) -> Tensor:
        """The tensor that is meant, as the model returned it."""
        return picked(self.raw, self.meaning)

    @property
    def logits(self) -> Tensor:
        """The scores: log p, or log p / (1 - p), of a model that returned probabilities p."""
        p = self.numbers
        if self.meaning.scores == "softmax":
            return p.clamp(min=torch.finfo(p.dtype).tiny).log()
        if self.meaning.scores == "sigmoid":
            nearly_one = 1 - torch.finfo(p.dtype).eps / 2
            return torch.logit(p.clamp(torch.finfo(p.dtype).tiny, nearly_one))
        return p


register_pytree_node(
    Answer, lambda a: ([a.raw], a.meaning), lambda inside, meaning: Answer(next(iter(inside)), meaning)
)


def read(outputs: Tree, meaning: Meaning) -> Tree:
    """Outputs with their meaning; as they are where that says nothing new."""
    raw = raw_of(outputs)
    return Answer(raw, meaning) if meaning.matters else raw


def raw_of(outputs: Tree) -> Tree:
    """What the model returned."""
    return outputs.raw if isinstance(outputs, Answer) else outputs


def picked(outputs: Tree, meaning: Meaning) -> Tensor:
    """The tensor that holds the scores; `BadValue` names them all where several could be meant."""
    found = named(outputs)
    if meaning.output is not None:
        return _at(meaning.output, found)
    for name in _NAMES:
        if name in found:
            return found[name]
    usable = {name: tensor for name, tensor in found.items() if tensor.ndim}
    plain = next(iter(usable.values()), None) if len(usable) == 1 else _plain([*usable.values()], meaning.classes)
    if plain is None:
        raise BadValue(
            f"the model returns {_listed(found)}",
            "one tensor of scores" if not usable else "to be told which of them holds the scores",
            f"say which: heatlens.load(model, output={[*usable][-1]!r})" if usable else "",
        )
    return plain


def named(outputs: Tree) -> dict[int | str, Tensor]:
    """The floating-point tensors among the outputs, by name where they have one, else by their place."""
    names = (*_NAMES, *getattr(outputs, "_fields", ()))
    spoken = outputs if isinstance(outputs, Mapping) else {name: getattr(outputs, name, None) for name in names}
    return _floats(spoken.items()) or _floats(enumerate(tensors(outputs)))


def _floats(items: Iterable[tuple[Any, Any]]) -> dict[int | str, Tensor]:
    return {key: t for key, t in items if isinstance(t, Tensor) and t.is_floating_point()}


def place_of(outputs: Tree, tensor: Tensor) -> int | str | None:
    """How one of the outputs is called."""
    return next((key for key, t in named(outputs).items() if t is tensor), None)


def _at(output: int | str, found: Mapping[int | str, Tensor]) -> Tensor:
    keys = [*found]
    if isinstance(output, str) and output in found:
        return found[output]
    try:
        return found[output] if output in found else found[keys[int(output)]]
    except (ValueError, IndexError):
        raise BadValue(f"output={output!r} of a model that returns {_listed(found)}", "one of these") from None


def _plain(found: list[Tensor], classes: int) -> Tensor | None:
    """The one with a score for every named class, or the logits beside their own probabilities; None: not plain."""
    fitting = [t for t in found if classes and t.ndim > 1 and t.shape[1] == classes]
    if len(fitting) == 1:
        return fitting[0]
    if len(found) == 2 and found[0].shape == found[1].shape and found[0].ndim > 1:
        for said, logits in (found, found[::-1]):
            if any(_same(said, turned(logits.detach())) for turned in (_softmax, torch.sigmoid, _log_softmax)):
                return logits
    return None


def _softmax(x: Tensor) -> Tensor:
    return x.softmax(1)


def _log_softmax(x: Tensor) -> Tensor:
    return x.log_softmax(1)


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or torch.allclose(a.detach().float(), b.float(), rtol=1e-3, atol=1e-5)


def _listed(found: Mapping[int | str, Any]) -> str:
    if not found:
        return "no floating-point tensor"
    return f"{len(found)} tensors: " + ", ".join(f"{name} {tuple(t.shape)}" for name, t in found.items())
