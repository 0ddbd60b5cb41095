"""What is known of one recipe's maps.  Its public names are the vocabulary of the metrics."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..asking.answer import Seen
from ..asking.look import look
from ..asking.request import Wishes
from ..engine.copies.randomised import Scheme, randomised
from ..engine.evidence.scoring import Pictures, class_of, probabilities, score_pictures
from ..engine.forward.batching import Progress
from ..engine.forward.inputs import Inputs
from ..engine.passes.scene import Scene
from ..images import Photo, Placement, seen, to_photo
from ..images.regions import Boxes
from ..localize import search
from ..metrics.truth import Truth
from ..models import Subject
from ..targets import Logit, Target, score_each
from ..words.errors import BadPhoto, EvidenceMissing
from ..words.notation import Maps, unit_peak, unit_range


@dataclass(frozen=True)
class Showing:
    """A batch of photos in front of a model: what all recipes and metrics share."""

    subject: Subject
    scene: Scene
    seen: Seen
    photos: Sequence[Photo]
    placements: Sequence[Placement]
    truths: Sequence[Truth]
    wishes: Wishes
    known: dict[Hashable, Tensor] = field(default_factory=dict)
    """Scores of pictures that do not depend on the recipe, by a name for them."""
    places: dict[Hashable, list[tuple[Boxes, Boxes]]] = field(default_factory=dict)
    """What was located, by recipe and how."""


@dataclass(frozen=True)
class MapEvidence:
    """What is known of one recipe's maps over one batch.  Its public names are the vocabulary of the metrics."""

    _showing: Showing
    _recipe: int
    _progress: Progress | None = None

    @property
    def attribution(self) -> Maps:
        return self._seen.maps[self._recipe][0].detach()

    @property
    def heat(self) -> Maps:
        return self._heat(self.attribution)

    @property
    def images(self) -> Tensor:
        return self._scene.images.float()

    @property
    def confidence(self) -> Tensor:
        return score_each(self._scene.outputs, probabilities(self._targets)).float()

    def confidence_under(self, pictures: Pictures, count: int) -> Tensor:
        return score_pictures(self._scene, probabilities(self._targets), pictures, count, self._progress)

    def score_under(self, pictures: Pictures, count: int, same: Hashable | None = None) -> Tensor:
        known = self._showing.known
        if same is None or same not in known:
            found = score_pictures(self._scene, self._targets, pictures, count, self._progress)
            if same is None:
                return found
            known[same] = found
        return known[same]

    def explained(self, images: Tensor) -> Maps:
        shown = images.to(self._scene.images)
        return self._looked(self._showing.subject, self._scene.inputs.showing(shown), self._targets)

    def heat_of(self, images: Tensor) -> Maps:
        return self._heat(self.explained(images))

    @property
    def classes(self) -> Tensor:
        return torch.tensor([class_of(target) for target in self._targets], device=self._scene.images.device)

    def explained_class(self, classes: Tensor) -> Maps:
        return self._looked(self._showing.subject, self._scene.inputs, [Logit(index=c) for c in classes.tolist()])

    def randomised(self, scheme: Scheme, seed: int) -> Iterator[tuple[str, Maps]]:
        subject, inputs = self._showing.subject, self._scene.inputs
        for layer, model in randomised(subject.model, inputs, scheme, seed):
            yield layer, self._looked(replace(subject, model=model), inputs, self._targets)

    @property
    def boxes(self) -> list[Tensor]:
        placed = [_placed(t, p) for t, p in zip(self._showing.truths, self._showing.placements, strict=True)]
        every = torch.tensor([box for own in placed for box in own], dtype=torch.float64).reshape(-1, 4)
        return list(torch.split(every.to(self._scene.images.device), [len(own) for own in placed]))

    def located(self, **how: Any) -> list[tuple[Boxes, Boxes]]:
        key, places = (self._recipe, *sorted(how.items())), self._showing.places
        if key not in places:
            told = zip(
                self.heat.float().cpu(),
                self._showing.photos,
                self._showing.placements,
                self._showing.truths,
                strict=True,
            )
            places[key] = [_located(*one, how) for one in told]
        return places[key]

    @property
    def masks(self) -> Tensor:
        found = [_mask_of(t, p) for t, p in zip(self._showing.truths, self._showing.placements, strict=True)]
        return torch.from_numpy(np.stack(found)).to(self._scene.images.device)

    @property
    def labels(self) -> Tensor:
        known = [-1 if t.label is None else t.label for t in self._showing.truths]
        return torch.tensor(known, device=self._scene.images.device)

    @property
    def ranking(self) -> Tensor:
        if self._seen.ranking is None:
            raise EvidenceMissing("the model's outputs are not scores of classes", "outputs (images, classes)")
        return self._seen.ranking.sort(dim=1, descending=True, stable=True).indices

    @property
    def _seen(self) -> Seen:
        return self._showing.seen

    @property
    def _scene(self) -> Scene:
        return self._showing.scene

    @property
    def _targets(self) -> list[Target]:
        return self._seen.targets[0]

    def _heat(self, maps: Maps) -> Maps:
        """Of a map that is displayed by its range, zero means nothing; of any other, what is below zero is no heat."""
        ranged = self._seen.recipes[self._recipe].entry.display == "range"
        return unit_range(maps, 1) if ranged else unit_peak(maps)

    def _looked(self, subject: Subject, inputs: Inputs, targets: Sequence[Target]) -> Maps:
        asked = [self._seen.recipes[self._recipe]]
        return look(subject, inputs, asked, [targets], self._showing.wishes).maps[0][0].detach()


def _placed(truth: Truth, placement: Placement) -> list[tuple[float, ...]]:
    """The boxes in the input, without those that the model does not see."""
    placed = [placement.box_to_input(box) for box in truth.boxes]
    return [box for box in placed if box[0] < box[2] and box[1] < box[3]]


def _located(
    heat: Maps, photo: Photo, placement: Placement, truth: Truth, how: Mapping[str, Any]
) -> tuple[Boxes, Boxes]:
    """The boxes that are found on a photo, and the true ones."""
    found = search(to_photo(heat, placement).numpy(), photo.pixels, seen(placement).numpy(), **how)
    return np.array(found, float).reshape(-1, 4), np.array(truth.boxes, float).reshape(-1, 4)


def _mask_of(truth: Truth, placement: Placement) -> NDArray[np.uint8]:
    """The mask (h, w) in the input, uint8: what the photo's pixel under each pixel's centre says, 255 beside it."""
    mask = np.full(placement.photo_size, 255, np.uint8) if truth.mask is None else _read(truth.mask)
    if mask.shape != placement.photo_size:
        raise BadPhoto(f"a mask of {mask.shape} for a photo of {placement.photo_size}", "the photo's height and width")
    at = [_photo_pixels(placement, axis) for axis in (0, 1)]
    beside = [(a < 0) | (a >= side) for a, side in zip(at, placement.photo_size, strict=True)]
    inside = [a.clip(0, side - 1) for a, side in zip(at, placement.photo_size, strict=True)]
    placed = np.where(beside[0][:, None] | beside[1], 255, mask[np.ix_(*inside)])
    return placed.astype(np.uint8)


def _photo_pixels(placement: Placement, axis: int) -> NDArray[np.int64]:
    centres = np.arange(placement.input_size[axis]) + 0.5
    at: NDArray[np.int64] = np.floor((centres - placement.offset[axis]) / placement.scale[axis]).astype(np.int64)
    return at


def _read(mask: Path | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(mask, np.ndarray):
        return mask
    try:
        with Image.open(mask) as file:
            return np.asarray(file if file.mode in ("L", "P", "1") else file.convert("L")).astype(np.uint8)
    except OSError as error:
        raise BadPhoto(f"the mask {mask} cannot be read: {error}", "a picture of one channel") from error
