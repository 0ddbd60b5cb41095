"""Occlusion: Visualizing and Understanding Convolutional Networks.  Matthew D. Zeiler, Rob Fergus.  ECCV 2014,
arXiv:1311.2901.

    d_k = p(X) - p(X with the k-th window covered)
    L   = at every place the mean of d over the windows that cover it

A square `window` of pixels is moved by `stride`, the last one ending with the image.  It is filled with 0, which for a
normalised picture is the training set's mean colour (the paper's grey), with the image's own "mean" colour, or "black".
"""

from typing import Literal

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, spatial_mean
from ..words.signature import method
from .shared.masking import ScoreUnder, Scoring, sum_over


@method(signed=True)
def occlusion(
    images: Tensor,
    baseline: Tensor,
    score_under: ScoreUnder,
    *,
    window: int = 32,
    stride: int = 8,
    fill: Literal["zero", "mean", "black"] = "zero",
    score: Scoring = "probability",
) -> Maps:
    at_least(1, window=window, stride=stride)
    cover = {"zero": torch.zeros_like(images), "black": baseline, "mean": spatial_mean(images).expand_as(images)}[fill]
    size = images.shape[2:]
    starts = [torch.tensor([*range(0, length - window, stride), max(0, length - window)]) for length in size]
    grid = torch.Size(map(len, starts))
    windows = grid.numel()

    def covered(k: Tensor) -> Tensor:
        """Where the k-th window lies, (m, 1, *size); the one behind the last window covers nothing."""
        out = (k < windows).reshape(-1, *[1] * (len(size) + 1))
        for axis, i in enumerate(torch.unravel_index(k.clamp(max=windows - 1), grid)):
            start, place = starts[axis].to(k.device)[i][:, None], torch.arange(size[axis], device=k.device)
            shape = [len(k), *[1] * (len(size) + 1)]
            shape[axis + 2] = size[axis]
            out = out & ((place >= start) & (place < start + window)).reshape(shape)
        return out

    def shown(i: Tensor, k: Tensor) -> Tensor:
        return torch.where(covered(k.to(images.device)), cover[i], images[i])

    y = score_under(shown, windows + 1, probability=score == "probability")
    drop = y[:, -1:] - y[:, :-1]
    total, times = sum_over(drop, covered), sum_over(torch.ones_like(drop), covered)
    return (total / times).reshape(len(images), *size)
