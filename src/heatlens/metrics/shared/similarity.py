"""How alike two maps are, by the measures that sanity checks use."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from ...words.errors import BadValue
from ...words.notation import Maps, ratio, unit_range
from ...words.optional import require

Similarity = Literal["spearman", "spearman_abs", "pearson", "ssim", "hog"]
"""Rank correlation, with signs or without; correlation; structural similarity; correlation of gradient histograms."""

_HOG_SIDE = 24
"""Three of its cells, each of eight pixels."""


def similar(a: Maps, b: Maps, similarity: Similarity) -> Tensor:
    """How alike maps `(n, *space)` are: (n,), at most 1; 0 where a correlation with a constant is asked."""
    return _MEASURES[similarity](a.double(), b.double())


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """The correlation along the last dimension; 0 where either side is constant."""
    a, b = a.double(), b.double()
    a, b = a - a[..., :1], b - b[..., :1]  # a constant becomes exactly 0
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    a, b = ratio(a, a.abs().amax(-1, keepdim=True)), ratio(b, b.abs().amax(-1, keepdim=True))
    return ratio((a * b).sum(-1), a.norm(dim=-1) * b.norm(dim=-1)).clamp(-1, 1)


def mean_ranks(x: Tensor) -> Tensor:
    """Every value's rank in its row `(n, places)`, from 1 for the smallest; equal values share the mean of theirs."""
    ordered = x.detach().sort(dim=1).values
    below, upto = (torch.searchsorted(ordered, x.detach().contiguous(), right=right) for right in (False, True))
    mean: Tensor = (below + upto + 1).double() / 2
    return mean


def _spearman(a: Tensor, b: Tensor) -> Tensor:
    return pearson(mean_ranks(a.flatten(1)), mean_ranks(b.flatten(1)))


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    """Of the maps from 0 to 1, with scikit-image's window of 7 places, or as large as the map allows."""
    window = min(7, *(side - 1 + side % 2 for side in a.shape[1:]))
    if window < 3:
        raise BadValue(f"maps of {tuple(a.shape[1:])} for ssim", "sides of at least 3")
    ssim = require("skimage.metrics").structural_similarity
    pairs = _arrays(unit_range(a, 1), unit_range(b, 1))
    return torch.tensor([ssim(x, y, data_range=1.0, win_size=window) for x, y in pairs]).to(a)


def _hog(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim != 3 or min(a.shape[1:]) < _HOG_SIDE:
        raise BadValue(f"maps of {tuple(a.shape[1:])} for hog", f"height and width of at least {_HOG_SIDE}")
    hog = require("skimage.feature").hog
    found = [[torch.as_tensor(hog(x)) for x in pair] for pair in _arrays(unit_range(a, 1), unit_range(b, 1))]
    return torch.stack([pearson(x, y) for x, y in found]).to(a)


def _arrays(a: Tensor, b: Tensor) -> list[tuple[Any, Any]]:
    return list(zip(a.cpu().numpy(), b.cpu().numpy(), strict=True))


_MEASURES: MappingProxyType[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "spearman": _spearman,
        "spearman_abs": lambda a, b: _spearman(a.abs(), b.abs()),
        "pearson": lambda a, b: pearson(a.flatten(1), b.flatten(1)),
        "ssim": _ssim,
        "hog": _hog,
    }
)
