"""Oracles of the methods that look at changed pictures."""

import numpy as np
import torch
import torch.nn.functional as F
from skimage.segmentation import slic
from sklearn.cluster import AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.linear_model import Ridge

from helpers.evidence import Evidence
from oracles.loops import (
    Map,
    blurred,
    enlarged,
    image_of,
    is_constant,
    look,
    number_of_places,
    oracle,
    picture_score,
    places,
    rectified,
    slope_of,
    softmax,
    spread,
    stack_of,
    summed,
    total,
    weighted,
)


def mask_of(e: Evidence, m: Map) -> Map:
    """H = MM(U(m))"""
    return spread(enlarged(m, tuple(e.images.shape[2:])))


def score_weighted(A: np.ndarray, scores: dict[int, float], channel_softmax: bool) -> Map:
    """ReLU( sum_k w_k A_k ) over the channels that were asked."""
    if channel_softmax:
        scores = dict(zip(scores, softmax(list(scores.values())), strict=True)) if scores else {}
    return rectified(weighted([scores.get(k, 0.0) for k in range(len(A))], A))


def strongest(A: np.ndarray, strength: list[float], top: int) -> list[int]:
    asked = [k for k in range(len(A)) if not is_constant(A[k])]
    return sorted(asked, key=lambda k: -strength[k])[:top] if top else asked


@oracle("score_cam")
@oracle("score_cam", score="logit")
@oracle("score_cam", channel_softmax=True)
@oracle("score_cam", score="logit", channel_softmax=True, top=2)
def score_cam(e: Evidence, n: int, score: str = "probability", channel_softmax: bool = False, top: int = 0) -> Map:
    X, A = image_of(e, n), stack_of(e, n)
    deviation = [
        (sum((A[(k, *p)] - total(A, k) / number_of_places(A)) ** 2 for p in places(A)) / number_of_places(A)) ** 0.5
        for k in range(len(A))
    ]
    asked = strongest(A, deviation, top)
    scores = {k: picture_score(e, X * mask_of(e, A[k]), n, score) for k in asked}
    return score_weighted(A, scores, channel_softmax)


@oracle("g_score_cam")
@oracle("g_score_cam", top=2)
@oracle("g_score_cam", top=3, score="probability")
def g_score_cam(e: Evidence, n: int, top: int = 300, score: str = "logit") -> Map:
    X, A, G = image_of(e, n), stack_of(e, n), slope_of(e, n)
    asked = strongest(A, [total(G, k) / number_of_places(G) for k in range(len(A))], top)
    scores = {k: picture_score(e, X * mask_of(e, A[k]), n, score) for k in asked}
    return score_weighted(A, scores, channel_softmax=True)


@oracle("ss_cam", samples=3, sigma=0.5)
@oracle("ss_cam", samples=2, noise="input", score="probability")
@oracle("ss_cam", samples=2, seed=4)
def ss_cam(
    e: Evidence,
    n: int,
    *,
    noise: str = "map",
    samples: int = 35,
    sigma: float = 2.0,
    seed: int = 0,
    score: str = "logit",
) -> Map:
    X, A = image_of(e, n), stack_of(e, n)
    shape = (samples, 1 if noise == "map" else len(X), *X.shape[1:])
    draws = sigma * torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double().numpy()
    scores = {}
    for k in range(len(A)):
        if not is_constant(A[k]):
            H = mask_of(e, A[k])
            shown = [X * (H + one) if noise == "map" else X * H + one for one in draws]
            scores[k] = sum(picture_score(e, picture, n, score) for picture in shown) / samples
    return score_weighted(A, scores, channel_softmax=True)


@oracle("is_cam")
@oracle("is_cam", steps=3, schedule="cumulative")
@oracle("is_cam", steps=4, score="probability")
def is_cam(e: Evidence, n: int, steps: int = 10, schedule: str = "linear", score: str = "logit") -> Map:
    X, A, scores = image_of(e, n), stack_of(e, n), {}
    for k in range(len(A)):
        if not is_constant(A[k]):
            H, w, c = mask_of(e, A[k]), 0.0, 0.0
            for i in range(1, steps + 1):
                c = i / steps if schedule == "linear" else c + i / steps
                w += picture_score(e, c * X * H, n, score) / steps
            scores[k] = w
    return score_weighted(A, scores, channel_softmax=True)


# groups of channels


def gain(e: Evidence, n: int, m: Map, background: np.ndarray, score: str) -> float:
    """y(X H + X_b (1 - H)) - y(X_b), nothing for a constant map"""
    if is_constant(m):
        return 0.0
    X, H = image_of(e, n), mask_of(e, m)
    return picture_score(e, X * H + background * (1 - H), n, score) - picture_score(e, background, n, score)


def channels_weighted(e: Evidence, n: int) -> np.ndarray:
    A, G = stack_of(e, n), slope_of(e, n)
    return np.stack([total(G, k) / number_of_places(G) * A[k] for k in range(len(A))])


def distinct(rows: np.ndarray, groups: int) -> int:
    return min(groups, len({tuple(row) for row in rows.tolist()}))


@oracle("group_cam")
@oracle("group_cam", groups=2)
@oracle("group_cam", groups=3, theta=70.0, score="logit")
@oracle("group_cam", groups=2, grouping="k-means", seed=3)
@oracle("group_cam", groups=3, grouping="agglomerative")
def group_cam(
    e: Evidence,
    n: int,
    *,
    groups: int = 32,
    grouping: str = "chunks",
    theta: float = 0.0,
    score: str = "probability",
    seed: int = 0,
) -> Map:
    each = channels_weighted(e, n)
    rows = each.reshape(len(each), -1)
    many = distinct(rows, groups)
    if grouping == "chunks":
        members = [part.tolist() for part in torch.arange(len(each)).chunk(groups)]
    elif many == 1:
        members = [list(range(len(each)))]
    else:
        k_means = grouping == "k-means"
        kind = KMeans(many, n_init="auto", random_state=seed) if k_means else AgglomerativeClustering(many)
        labels = kind.fit_predict(rows)
        members = [[k for k in range(len(each)) if labels[k] == g] for g in range(many)]
    out, background = np.zeros(each.shape[1:]), blurred(image_of(e, n), 51, 50.0)
    for group in members:
        M = rectified(summed(each[group]))
        if theta:
            M = M * (np.percentile(M, theta) < M)
        out = out + max(0.0, gain(e, n, M, background, score)) * M
    return out


def cluster_means(each: np.ndarray, labels: np.ndarray) -> list[Map]:
    return [
        sum(each[k] for k in range(len(each)) if labels[k] == g) / list(labels).count(g) for g in sorted(set(labels))
    ]


@oracle("cluster_cam")
@oracle("cluster_cam", groups=2, score="probability")
@oracle("cluster_cam", groups=2, seed=3)
def cluster_cam(e: Evidence, n: int, groups: int = 3, score: str = "logit", seed: int = 0) -> Map:
    each = channels_weighted(e, n)
    rows = each.reshape(len(each), -1)
    kind = SpectralClustering(
        distinct(rows, min(groups, len(each) - 1)),
        affinity="nearest_neighbors",
        n_neighbors=1 + len(each) // 2,
        random_state=seed,
    )
    M = cluster_means(each, kind.fit_predict(rows))
    M = [m for m in M if not is_constant(m)]
    background = blurred(image_of(e, n), 307, 51.0)
    v = [gain(e, n, m, background, score) for m in M]
    s = [one / sum(x**2 for x in v) ** 0.5 for one in v]
    base, scissors = s.index(max(s)), s.index(min(s))
    return rectified(s[base] * M[base] - (1 - s[base]) * M[scissors])


@oracle("cosine_cam")
@oracle("cosine_cam", groups=2, score="probability")
@oracle("cosine_cam", groups=2, seed=3)
def cosine_cam(e: Evidence, n: int, groups: int = 3, score: str = "logit", seed: int = 0) -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    each = np.stack([total(A * G, k) / number_of_places(A) * A[k] for k in range(len(A))])
    rows = np.stack([m.flatten() / np.linalg.norm(m) if m.any() else m.flatten() for m in each])
    labels = KMeans(distinct(rows, groups), n_init="auto", random_state=seed).fit_predict(rows)
    M, background = cluster_means(each, labels), blurred(image_of(e, n), 307, 51.0)
    v = [gain(e, n, m, background, score) for m in M]
    length = sum(x**2 for x in v) ** 0.5
    return rectified(sum(one / length * m for one, m in zip(v, M, strict=True)))


# masks of other kinds


@oracle("poly_cam")
@oracle("poly_cam", mode="plus")
@oracle("poly_cam", mode="minus")
@oracle("poly_cam", mode="minus", score="logit")
def poly_cam(e: Evidence, n: int, mode: str = "both", score: str = "probability") -> Map:
    X, A, weights = image_of(e, n), stack_of(e, n), []
    whole = picture_score(e, X, n, score)
    for channel in A:
        low, high = np.percentile(channel, 0.1), max(np.percentile(channel, 99.9), 1e-12)
        H = enlarged(np.clip((channel - low) / high, 0, 1), X.shape[1:])
        kept, without = (picture_score(e, X * mask, n, score) for mask in (H, 1 - H))
        weights.append({"plus": kept, "minus": max(0, whole - without), "both": max(0, kept + whole - without)}[mode])
    return rectified(weighted(weights, A))


@oracle("opti_cam")
@oracle("opti_cam", steps=7)
@oracle("opti_cam", steps=12, rate=0.5)
@oracle("opti_cam", steps=7, score="probability")
def opti_cam(e: Evidence, n: int, steps: int = 50, rate: float = 0.1, score: str = "logit") -> Map:
    X, black, A = e.images[n], e.baseline[n], e.activations[n].clamp(min=0)
    kind = {1: "linear", 2: "bilinear", 3: "trilinear"}[X.ndim - 1]

    def mask(u: torch.Tensor) -> torch.Tensor:
        mixture = sum(share * channel for share, channel in zip(u.softmax(0), A, strict=True))
        big = F.interpolate(mixture[None, None], X.shape[1:], mode=kind)[0, 0]
        return (big - big.min()) / (big.max() - big.min())

    u = torch.full((len(A),), 0.5, dtype=X.dtype)
    m = v = torch.zeros_like(u)
    before = float("inf")
    for step in range(steps):
        u.requires_grad_()
        S = mask(u)
        logits = e.tail(e.body((black + S * (X - black))[None]))[0]
        loss = -(logits.softmax(0) if score == "probability" else logits)[e.classes[n]]
        (g,) = torch.autograd.grad(loss, u)
        if step % max(1, steps // 10) == 0:
            if loss > before:
                return S.detach().numpy()
            before = loss.item()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        t = step + 1
        u = u.detach() - rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
    return mask(u).numpy()


@oracle("cameras")
@oracle("cameras", scales=3, largest=2.0)
@oracle("cameras", scales=1)
def cameras(e: Evidence, n: int, scales: int = 8, largest: float = 4.125) -> Map:
    X, size = e.images[n : n + 1], tuple(e.images.shape[2:])
    kind = {1: "linear", 2: "bicubic", 3: "trilinear"}[len(size)]
    A = G = 0.0
    for t in range(scales):
        factor = 1 + (largest - 1) * t / (scales - 1) if scales > 1 else 1
        shown = F.interpolate(X, tuple(round(factor * length) for length in size), mode=kind)[0]
        a, g = look(e, shown, n)
        A = A + np.stack([enlarged(channel, size) for channel in a]) / scales
        G = G + np.stack([enlarged(channel, size) for channel in g]) / scales
    return rectified(summed(A * G))


@oracle("rise", samples=9, cells=2)
@oracle("rise", samples=9, cells=3, p=0.3, seed=2)
@oracle("rise", samples=70, cells=2, score="logit")
def rise(
    e: Evidence,
    n: int,
    *,
    samples: int = 4000,
    cells: int = 7,
    p: float = 0.5,
    score: str = "probability",
    seed: int = 0,
) -> Map:
    X, generator = image_of(e, n), torch.Generator().manual_seed(seed)
    size = X.shape[1:]
    cell = [int(np.ceil(length / cells)) for length in size]
    grids = (torch.rand(samples, 1, *[cells] * len(size), generator=generator) < p).double().numpy()[:, 0]
    shifts = [torch.randint(side, (samples,), generator=generator).tolist() for side in cell]
    out = np.zeros(size)
    for i, grid in enumerate(grids):
        big = enlarged(grid, tuple((cells + 1) * side for side in cell))
        M = big[tuple(slice(s[i], s[i] + length) for s, length in zip(shifts, size, strict=True))]
        out = out + picture_score(e, X * M, n, score) * M / (samples * p)
    return out


@oracle("occlusion", window=4, stride=3)
@oracle("occlusion", window=3, stride=2, fill="mean", score="logit")
@oracle("occlusion", window=5, stride=4, fill="black")
@oracle("occlusion")
def occlusion(
    e: Evidence, n: int, *, window: int = 32, stride: int = 8, fill: str = "zero", score: str = "probability"
) -> Map:
    X, size = image_of(e, n), e.images.shape[2:]
    colours = [total(X, k) / number_of_places(X) for k in range(len(X))]
    cover = {
        "zero": np.zeros_like(X),
        "black": e.baseline[n].numpy(),
        "mean": np.stack([np.full(size, colour) for colour in colours]),
    }[fill]
    starts = []
    for length in size:
        along = []
        while (start := stride * len(along)) + window < length:
            along.append(start)
        starts.append([*along, max(0, length - window)])
    whole, drops, times = picture_score(e, X, n, score), np.zeros(size), np.zeros(size)
    for corner in np.ndindex(*map(len, starts)):
        here = tuple(slice(s[i], s[i] + window) for s, i in zip(starts, corner, strict=True))
        covered = X.copy()
        covered[(slice(None), *here)] = cover[(slice(None), *here)]
        drops[here] += whole - picture_score(e, covered, n, score)
        times[here] += 1
    return drops / times


@oracle("lime", samples=30, superpixels=6)
@oracle("lime", samples=20, superpixels=4, width=1.0, seed=2)
@oracle("lime", samples=1000, superpixels=3, score="logit")
@oracle("lime", samples=10)
def lime(
    e: Evidence,
    n: int,
    *,
    superpixels: int = 50,
    samples: int = 1000,
    width: float = 0.25,
    score: str = "probability",
    seed: int = 0,
) -> Map:
    X = image_of(e, n)
    pixels = np.moveaxis(X, 0, -1).astype(np.float32)
    pixels = pixels[None] if X.ndim == 2 else pixels
    parts = slic(pixels, n_segments=superpixels, start_label=0).reshape(X.shape[1:])
    names = sorted(set(parts.flatten().tolist()))
    z = torch.randint(2, (samples, len(names)), generator=torch.Generator().manual_seed(seed)).numpy()
    z[0] = 1
    y, near = [], []
    for row in z.tolist():
        shown = X.copy()
        for name, on in zip(names, row, strict=True):
            if not on:
                for colour in shown:
                    colour[parts == name] = colour[parts == name].mean()
        y.append(picture_score(e, shown, n, score))
        cosine = sum(row) / (sum(row) ** 0.5 * len(row) ** 0.5) if any(row) else 0.0
        near.append(np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2)))
    beta = Ridge(alpha=1.0).fit(z, y, sample_weight=near).coef_
    return np.array([beta[names.index(name)] for name in parts.flatten().tolist()]).reshape(parts.shape)
