"""Channels that look alike put into groups, by scikit-learn."""

import warnings
from math import ceil, log2
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...words.errors import NotFinite
from ...words.notation import Stack, ratio, unit_range
from ...words.optional import require

Clustering = Literal["k-means", "agglomerative", "spectral"]


def cluster(x: Stack, how: Clustering, *, groups: int = 0, seed: int = 0, cosine: bool = False) -> Tensor:
    """The group of every channel: (n, c).

    Groups of maps that are near as vectors of places, with `cosine` after each was divided by its length.  0 groups:
    as many as the elbow of k-means shows.
    """
    rows = x.detach().flatten(2).double()
    if cosine:
        rows = ratio(rows, rows.norm(dim=2, keepdim=True))
    numpy = require("numpy")
    return torch.from_numpy(numpy.stack([_labels(one, how, groups, seed) for one in rows.cpu().numpy()])).to(x.device)


def grouped(x: Stack, labels: Tensor, *, mean: bool = True) -> Stack:
    """The mean (or the sum) of the channels of every group: (n, groups, *space)."""
    member = F.one_hot(labels.long()).mT.to(x)
    if mean:
        member = ratio(member, member.sum(2, keepdim=True))
    return (member @ x.flatten(2)).reshape(*member.shape[:2], *x.shape[2:])


def merged(masks: Tensor, distance: float) -> Tensor:
    """Masks (m, *size) of which those within a cosine distance of each other are one: the sums, from 0 to 1 each.

    Complete linkage: no two members of a group are farther apart than that.
    """
    if len(masks) < 2:
        return masks
    rows = masks.flatten(1)
    _finite(bool(rows.isfinite().all()))
    length = rows.norm(dim=1, keepdim=True)
    apart = 1 - ratio(rows, length) @ ratio(rows, length).T
    linkage = require("sklearn.cluster").AgglomerativeClustering(
        n_clusters=None, distance_threshold=distance, metric="precomputed", linkage="complete"
    )
    found = linkage.fit_predict(apart.detach().double().cpu().numpy()).tolist()
    order = list(dict.fromkeys(found))  # groups in the order of their first members
    labels = torch.tensor([order.index(label) for label in found], device=masks.device)
    return unit_range(grouped(masks[None], labels[None], mean=False))[0]


def centres(x: Stack, groups: int, seed: int) -> Stack:
    """The centres of at most that many groups of channels, by k-means over the places: (n, groups, *space)."""
    groups = min(groups, x.shape[1])
    _finite(bool(x.isfinite().all()))
    kind, rows = require("sklearn.cluster").KMeans, x.detach().flatten(2).float().cpu().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # channels that are the same make fewer groups
        found = [kind(groups, n_init=1, random_state=seed).fit(one).cluster_centers_ for one in rows]
    return torch.stack([torch.as_tensor(one) for one in found]).to(x).reshape(len(x), groups, *x.shape[2:])


def _labels(rows: Any, how: Clustering, groups: int, seed: int) -> Any:
    sklearn, numpy = require("sklearn.cluster"), require("numpy")
    _finite(bool(numpy.isfinite(rows).all()))
    different = len(numpy.unique(rows, axis=0))
    if groups == 0:
        groups = _elbow(rows, different, seed)
    groups = min(groups, different, len(rows) - (how == "spectral"))
    if groups <= 1:
        return numpy.zeros(len(rows), dtype=int)
    match how:
        case "k-means":
            kind = sklearn.KMeans(groups, n_init="auto", random_state=seed)
        case "agglomerative":
            kind = sklearn.AgglomerativeClustering(groups)
        case "spectral":
            near = {"affinity": "nearest_neighbors", "n_neighbors": min(10, 1 + len(rows) // 2)}
            kind = sklearn.SpectralClustering(groups, random_state=seed, **near)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a graph of neighbours that falls apart is still clustered
        return kind.fit_predict(rows)


def _finite(known: bool) -> None:
    if not known:
        raise NotFinite("the channels to be grouped contain NaN or infinity", "finite activations")


FEWEST = 3
"""Groups that the elbow begins with."""


def inertias(x: Stack, *, seed: int = 0, cosine: bool = False) -> Tensor:
    """k-means' spread within groups of channels, for `FEWEST` groups and more: (n, counts), at most log2(c) + 1 groups.

    What the elbow is found in; of channels that are the same there are fewer, and the last number is repeated.
    """
    rows = x.detach().flatten(2).double()
    if cosine:
        rows = ratio(rows, rows.norm(dim=2, keepdim=True))
    found = [_spread(one.cpu().numpy(), seed) for one in rows]
    most = max(map(len, found))
    return torch.tensor([one + one[-1:] * (most - len(one)) for one in found])


def elbow(spread: list[float]) -> int:
    """How many groups: where the spread is farthest below its chord."""
    if len(spread) < 2:
        return FEWEST
    step = (spread[-1] - spread[0]) / (len(spread) - 1)
    below = [0.0, *(spread[0] + step * i - spread[i] for i in range(1, len(spread) - 1))]
    return FEWEST + below.index(max(below))


def _elbow(rows: Any, different: int, seed: int) -> int:
    return min(elbow(_spread(rows, seed)), different)


def _spread(rows: Any, seed: int) -> list[float]:
    """k-means' spread over 3 .. log2(c) + 1 groups."""
    different = len(require("numpy").unique(rows, axis=0))
    most = max(FEWEST, min(ceil(log2(len(rows))) + 1, different)) if len(rows) > 1 else FEWEST
    kind = require("sklearn.cluster").KMeans
    counts = [g for g in range(FEWEST, most + 1) if g <= different] or [different]
    return [float(kind(g, n_init="auto", random_state=seed).fit(rows).inertia_) for g in counts]
