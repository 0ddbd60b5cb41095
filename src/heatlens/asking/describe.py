"""What a model says of photos, in words and without a map: its classes, what kind most of them are, attributes."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..engine.forward.features import features_of
from ..engine.state.evaluating import evaluating
from ..images import Photo, read_photo, sources_of
from ..models import Subject, subject_of
from ..models.files.class_files import read_lines
from ..targets import Classes
from ..words.bounds import at_least
from ..words.errors import BadValue, EvidenceMissing
from ..words.npy_files import read_npy
from .batches import FailedPhoto, answered
from .given import Model, OnePhoto, SeveralPhotos
from .settling import ranking

FilePath = str | os.PathLike[str]
PLACES = {"1": "indoor", "2": "outdoor"}
"""How the data sets of Places number the kinds of their classes."""


@dataclass(frozen=True, eq=False)
class Description:
    """What a model says of one photo."""

    photo: Photo
    predictions: tuple[tuple[str, float], ...]
    """Classes with their probabilities, the most probable first."""
    kind: str | None = None
    """What most of the first classes are, such as indoor; None where nobody said what classes are."""
    votes: Mapping[str, int] | None = None
    """How many of the first classes are of each kind."""
    attributes: tuple[tuple[str, float], ...] = ()
    """Attributes with the model's response, the strongest first."""

    def record(self) -> dict[str, object]:
        """As JSON."""
        return {
            "photo": str(self.photo.path or self.photo.name),
            "predictions": [{"name": name, "probability": probability} for name, probability in self.predictions],
            "kind": self.kind,
            "votes": None if self.votes is None else dict(self.votes),
            "attributes": [{"name": name, "response": response} for name, response in self.attributes],
        }


class HowDescribed(TypedDict, total=False):
    """What else `describe` may be told."""

    kinds: FilePath | Sequence[str] | None
    attributes: FilePath | Sequence[str] | None
    attribute_weights: FilePath | NDArray[np.generic] | Tensor | None
    votes: int
    top: int
    batch_size: int


@overload
def describe(model: Model, photos: OnePhoto, **how: Unpack[HowDescribed]) -> Description: ...
@overload
def describe(model: Model, photos: SeveralPhotos, **how: Unpack[HowDescribed]) -> list[Description | FailedPhoto]: ...
def describe(
    model: Model,
    photos: OnePhoto | SeveralPhotos,
    *,
    kinds: FilePath | Sequence[str] | None = None,
    attributes: FilePath | Sequence[str] | None = None,
    attribute_weights: FilePath | NDArray[np.generic] | Tensor | None = None,
    votes: int = 10,
    top: int = 5,
    batch_size: int = 8,
) -> Description | list[Description | FailedPhoto]:
    """A `Description` of a photo, or a list of them for several; a photo that fails has a `FailedPhoto` in its place.

    model, photos: as in `heatlens.explain`.
    kinds: what kind each class is of, one a class, or a file such as Places' IO_places365.txt (`/a/airfield 2`, 1 is
    indoor and 2 outdoor): the kind of most of the first `votes` classes (10) wins, of equals the last in the alphabet.
    attributes: names, or a file of them; attribute_weights: (attributes, c), or a .npy file: the response is W f,
    f what the network's last dense layer is given (as Places' unified demo has it).
    top: how many classes are told, 5.  batch_size: photos that the model is shown at once, 8.

    Costs one forward pass for a batch.  Raises `HeatlensError`.
    """
    subject = subject_of(model)
    at_least(1, votes=votes, top=top, batch_size=batch_size)
    asked = _Asked(subject, _kinds(kinds, subject.classes), _attributes(attributes, attribute_weights), votes, top)
    sources, several = sources_of(photos)
    if not several:
        return asked.of([read_photo(sources[0])])[0]
    return list(answered(sources, batch_size, lambda batch: asked.of([*batch.values()])))


@dataclass(frozen=True, eq=False)
class _Asked:
    subject: Subject
    kinds: list[str]
    attributes: tuple[list[str], Tensor] | None
    votes: int
    top: int

    def of(self, photos: Sequence[Photo]) -> list[Description]:
        subject = self.subject
        images = [subject.prepare(photo)[0] for photo in photos]
        if len({image.shape for image in images}) > 1:  # photos of their own sizes do not make a batch
            return [one for photo in photos for one in self.of([photo])]
        inputs = subject.shown((subject.ready(torch.cat(images)),))
        with evaluating(subject.model):
            if self.attributes is None:
                outputs, responses = inputs.shown_to(subject.model), None
            else:
                outputs, features = features_of(subject.model, inputs)
                responses = _responses(self.attributes[1], features)
        if (likely := ranking(outputs)) is None:
            raise EvidenceMissing("the model's outputs are not scores of classes", "outputs (images, classes)")
        if self.kinds and len(self.kinds) != likely.shape[1]:
            raise BadValue(f"{len(self.kinds)} kinds for {likely.shape[1]} classes", "the kind of each class")
        return [self._one(photo, i, likely, responses) for i, photo in enumerate(photos)]

    def _one(self, photo: Photo, i: int, likely: Tensor, responses: Tensor | None) -> Description:
        order = likely[i].argsort(descending=True, stable=True).tolist()
        first = [(self.subject.classes.name(c), float(likely[i, c])) for c in order[: self.top]]
        kind, counted = _voted(self.kinds, order[: self.votes]) if self.kinds else (None, None)
        told: list[tuple[str, float]] = []
        if responses is not None and self.attributes is not None:
            names, strongest = self.attributes[0], responses[i].argsort(descending=True, stable=True).tolist()
            told = [(names[a], float(responses[i, a])) for a in strongest]
        return Description(photo, tuple(first), kind, counted, tuple(told))


def _voted(kinds: Sequence[str], classes: Sequence[int]) -> tuple[str, dict[str, int]]:
    """What most of these classes are; of kinds with as many votes the later one, as a mean of 0.5 is outdoor there."""
    named = list(dict.fromkeys(sorted(kinds)))
    counted = Counter(kinds[c] for c in classes)
    votes = {kind: counted[kind] for kind in named}
    return max(named, key=lambda kind: (votes[kind], named.index(kind))), votes


def _responses(weights: Tensor, features: Tensor) -> Tensor:
    if weights.shape[1] != features.shape[1]:
        raise BadValue(
            f"weights of attributes {tuple(weights.shape)} for {features.shape[1]} features", "weights of this network"
        )
    return features @ weights.to(features).T


def _kinds(given: FilePath | Sequence[str] | None, classes: Classes) -> list[str]:
    """By class: by name where a file's names are the model's, else in their order."""
    if given is None or not isinstance(given, str | os.PathLike):
        return list(given or ())
    pairs = [line.rsplit(maxsplit=1) for line in read_lines(given)]
    if not all(len(pair) == 2 for pair in pairs):
        raise BadValue(f"the kinds {str(given)!r}", "a class and its kind on every line, such as /a/airfield 2")
    words = [PLACES.get(kind, kind) for _, kind in pairs]
    places = [_place(name, classes) for name, _ in pairs]
    if len(classes) and sorted(p for p in places if p is not None) == list(range(len(classes))):
        return [words[places.index(c)] for c in range(len(classes))]
    return words


def _place(name: str, classes: Classes) -> int | None:
    bare = name[3:] if name[:1] == "/" and name[2:3] == "/" else name
    return classes.names.index(bare) if bare in classes.names else None


def _attributes(
    names: FilePath | Sequence[str] | None, weights: FilePath | NDArray[np.generic] | Tensor | None
) -> tuple[list[str], Tensor] | None:
    if (names is None) != (weights is None):
        raise BadValue("attributes without weights, or weights without names", "both, or neither")
    if names is None or weights is None:
        return None
    told = read_lines(names) if isinstance(names, str | os.PathLike) else list(names)
    matrix = weights if isinstance(weights, Tensor) else torch.from_numpy(_array(weights))
    if matrix.ndim != 2 or len(matrix) != len(told):
        raise BadValue(f"{len(told)} attributes and weights of {tuple(matrix.shape)}", "a row of weights for each")
    return told, matrix.float()


def _array(weights: FilePath | NDArray[np.generic]) -> NDArray[np.float32]:
    if isinstance(weights, np.ndarray):
        return weights.astype(np.float32)
    try:
        return np.array(read_npy(Path(weights).expanduser()), dtype=np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise BadValue(f"the weights {str(weights)!r}: {error}", "a .npy file of numbers") from None
