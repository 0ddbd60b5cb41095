"""What a network says of many changed versions of one image, a few at a time."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...targets import ClassTarget, Probability, Target, as_probability, described, score_each
from ...words.errors import EvidenceMissing
from ..forward.batching import Progress, chunked, picture_chunk, takes_one
from ..passes.derivatives import precise
from ..passes.scene import Scene

Pictures = Callable[[Tensor, Tensor], Tensor]
"""pictures(i, k) -> (m, channels, *size): of image i[j] the variation k[j]."""


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
    """y (n, count): what the pictures(i, k) `(m, channels, *size)` of each image are worth to its target.

    Chunk by chunk, by the swift copy of the network; one chunk may hold pictures of several images.
    """
    watched, model, device = torch.is_grad_enabled(), scene.swift, scene.images.device

    def score(start: int, stop: int) -> Tensor:
        at = torch.arange(start, stop, device=device)
        images = [place // count for place in range(start, stop)]
        with torch.inference_mode(not watched), scene.precisely():
            made = pictures(at // count, at % count)
            inputs = scene.inputs.of_each(images).showing(made.to(scene.images.dtype))
            return precise(score_each(inputs.run(model), [targets[image] for image in images]))

    size, total = 1 if takes_one(scene.model) else picture_chunk(scene.images), scene.inputs.batch * count
    return torch.cat(list(chunked(score, total, size, progress))).reshape(-1, count)
