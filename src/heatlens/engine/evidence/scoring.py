"""What a network says of many changed versions of one image, a few at a time."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...targets import ClassTarget, Probability, Target, as_probability, described, score_each
from ...words.errors import EvidenceMissing
from ..forward.batching import Progress, chunked, picture_chunk, takes_one
from ..passes.derivatives import precise
from ..passes.scene import Scene

Pictures = Callable[[int, Tensor], Tensor]


def class_of(target: Target) -> int:
    """The class that a settled target speaks of."""
    if not isinstance(target, ClassTarget) or target.index is None:
        raise EvidenceMissing(f"the target {described(target)} names no class", "a class", "Give a class index or name")
    return target.index


def probabilities(targets: Sequence[Target]) -> list[Target]:
    """The probability of the class of each target; of what has none, such as a regression, the target itself."""
    return [as_probability(target) or Probability(class_of(target)) for target in targets]


def score_pictures(
    scene: Scene, targets: Sequence[Target], pictures: Pictures, count: int, progress: Progress | None = None
) -> Tensor:
    """y (n, count): what the pictures(i, k) `(m, channels, *size)` of each image are worth to its target."""
    images = scene.inputs.batch

    def share(image: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(image * count + done, images * count)

    return torch.stack([_scored(scene, i, targets[i], pictures, count, share(i)) for i in range(images)])


def _scored(
    scene: Scene, image: int, target: Target, pictures: Pictures, count: int, progress: Progress | None
) -> Tensor:
    """Scores (count,) of pictures made from one image, chunk by chunk, by the swift copy of the network."""
    watched = torch.is_grad_enabled()
    model = scene.swift

    def score(start: int, stop: int) -> Tensor:
        with torch.inference_mode(not watched), scene.precisely():
            made = pictures(image, torch.arange(start, stop, device=scene.images.device))
            inputs = scene.inputs.of(image, stop - start).showing(made.to(scene.images.dtype))
            return precise(score_each(inputs.run(model), [target] * (stop - start)))

    size = 1 if takes_one(scene.model) else picture_chunk(scene.images)
    return torch.cat(list(chunked(score, count, size, progress)))
