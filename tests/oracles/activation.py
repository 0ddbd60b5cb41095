"""Oracles of the methods that use activations or the images alone."""

import numpy as np
import torch
from sklearn.decomposition import KernelPCA

from helpers.evidence import Evidence
from oracles.loops import (
    Map,
    first_component,
    number_of_places,
    oracle,
    places,
    rectified,
    signed,
    stack_of,
    total,
    weighted,
)


@oracle("dummy_cam")
def dummy_cam(e: Evidence, n: int) -> Map:
    A = stack_of(e, n)
    return weighted([1 / len(A)] * len(A), A)


@oracle("fake_cam")
def fake_cam(e: Evidence, n: int) -> Map:
    out = np.ones(e.images.shape[2:])
    out[(0,) * out.ndim] = 0
    return out


@oracle("centre")
@oracle("centre", sigma=0.1)
def centre(e: Evidence, n: int, sigma: float = 0.25) -> Map:
    size = e.images.shape[2:]
    out = np.empty(size)
    for place in np.ndindex(*size):
        shares = [(at + 0.5 - side / 2) / (sigma * side) for at, side in zip(place, size, strict=True)]
        out[place] = np.exp(-sum(share**2 for share in shares) / 2)
    return out


@oracle("random_cam")
@oracle("random_cam", seed=7)
def random_cam(e: Evidence, n: int, seed: int = 0) -> Map:
    A = stack_of(e, n)
    uniform = torch.rand(len(A), generator=torch.Generator().manual_seed(seed)).tolist()
    return rectified(weighted([2 * u - 1 for u in uniform], A))


@oracle("eigen_cam")
@oracle("eigen_cam", centred=True)
def eigen_cam(e: Evidence, n: int, centred: bool = False) -> Map:
    return first_component(stack_of(e, n), centred=centred)


@oracle("kpca_cam")
@oracle("kpca_cam", gamma=0.7)
@oracle("kpca_cam", kernel="rbf")
@oracle("kpca_cam", kernel="rbf", gamma=0.3)
@oracle("kpca_cam", kernel="linear")
@oracle("kpca_cam", kernel="poly")
@oracle("kpca_cam", kernel="cosine")
def kpca_cam(e: Evidence, n: int, kernel: str = "sigmoid", gamma: float | None = None) -> Map:
    A = stack_of(e, n)
    rows = np.array([[A[(k, *p)] for k in range(len(A))] for p in places(A)])
    rows = rows - rows.mean(0)
    along = KernelPCA(1, kernel=kernel, gamma=gamma, eigen_solver="dense").fit_transform(rows)[:, 0]
    return signed(along, rows).reshape(A.shape[1:])


@oracle("fem")
@oracle("fem", k=0.5)
@oracle("fem", k=1.0, summing="eigen")
def fem(e: Evidence, n: int, k: float = 2.0, summing: str = "plain") -> Map:
    A = stack_of(e, n)
    Z, weights = number_of_places(A), []
    for channel in range(len(A)):
        mu = total(A, channel) / Z
        sigma = (sum((A[(channel, *p)] - mu) ** 2 for p in places(A)) / Z) ** 0.5
        weights.append(sum(1 for p in places(A) if A[(channel, *p)] > mu + k * sigma) / Z)
    return weighted(weights, A, summing)


def _singular_start(V: np.ndarray, K: int) -> tuple[np.ndarray, np.ndarray]:
    """sqrt(s) |u| and sqrt(s) |v| of each pair, zeros filled with the mean of V."""
    U, S, Vt = np.linalg.svd(V, full_matrices=False)
    W = np.array([[abs(U[r, k]) * S[k] ** 0.5 for k in range(K)] for r in range(len(V))])
    H = np.array([[abs(Vt[k, c]) * S[k] ** 0.5 for c in range(V.shape[1])] for k in range(K)])
    return np.where(W == 0, V.mean(), W), np.where(H == 0, V.mean(), H)


@oracle("deep_feature_factorisation", concepts=2, iterations=3)
@oracle("deep_feature_factorisation", concepts=3, concept=1, iterations=2)
@oracle("deep_feature_factorisation", concepts=2, iterations=3, start="random")
@oracle("deep_feature_factorisation", concepts=3, concept=1, iterations=2, start="random", seed=3)
def deep_feature_factorisation(
    e: Evidence,
    n: int,
    *,
    concepts: int = 4,
    concept: int = 0,
    iterations: int = 200,
    start: str = "singular",
    seed: int = 0,
) -> Map:
    stacks = [np.maximum(stack_of(e, image), 0) for image in range(len(e.images))]
    V = np.array([[A[(k, *p)] for k in range(len(A))] for A in stacks for p in places(A)])
    rows, channels, K = len(V), V.shape[1], concepts
    level = (V.mean() / K) ** 0.5
    W = torch.randn(rows, K, generator=torch.Generator().manual_seed(seed)).abs().double().numpy() * level
    H = np.full((K, channels), level)
    if start == "singular":
        W, H = _singular_start(V, K)
    for _ in range(iterations):
        WH, new = W @ H, H.copy()
        for a in range(K):
            for c in range(channels):
                below = sum(W[r, a] * WH[r, c] for r in range(rows))
                new[a, c] = H[a, c] * sum(W[r, a] * V[r, c] for r in range(rows)) / below if below else 0
        H = new
        WH, new = W @ H, W.copy()
        for r in range(rows):
            for a in range(K):
                below = sum(WH[r, c] * H[a, c] for c in range(channels))
                new[r, a] = W[r, a] * sum(V[r, c] * H[a, c] for c in range(channels)) / below if below else 0
        W = new
    length = [sum(H[a, c] ** 2 for c in range(channels)) ** 0.5 for a in range(K)]
    energy = [length[a] * sum(W[r, a] ** 2 for r in range(rows)) ** 0.5 for a in range(K)]
    a = sorted(range(K), key=lambda one: -energy[one])[concept]
    here = slice(n * number_of_places(stacks[0]), (n + 1) * number_of_places(stacks[0]))
    return (W[here, a] * length[a]).reshape(stacks[0].shape[1:])
