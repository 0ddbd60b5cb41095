"""Oracles of the methods that run the network again with a changed layer."""

import numpy as np

from helpers.evidence import Evidence
from oracles.loops import Map, oracle, places, rectified, score_of, slope_of, spread, stack_of, total, weighted


@oracle("ablation_cam")
@oracle("ablation_cam", group=2)
@oracle("ablation_cam", group=3)
@oracle("ablation_cam", score="probability")
@oracle("ablation_cam", summing="eigen")
def ablation_cam(e: Evidence, n: int, group: int = 1, score: str = "logit", summing: str = "plain") -> Map:
    A = stack_of(e, n)
    y, weights = score_of(e, A, n, score), []
    for first in range(0, len(A), group):
        members = range(first, min(first + group, len(A)))
        without = A.copy()
        for k in members:
            without[k] = 0.0
        drop = (y - score_of(e, without, n, score)) / abs(y)
        weights += [drop / len(members)] * len(members)
    return rectified(weighted(weights, A, summing))


@oracle("recipro_cam")
@oracle("recipro_cam", gaussian=True)
@oracle("recipro_cam", score="logit")
def recipro_cam(e: Evidence, n: int, gaussian: bool = False, score: str = "probability") -> Map:
    A = stack_of(e, n)
    out = np.zeros(A.shape[1:])
    for p in places(A):
        left = np.zeros_like(A)
        for q in places(A):
            share = 1.0
            for a, b in zip(p, q, strict=True):
                share *= {0: 2 / 4, 1: 1 / 4}.get(abs(a - b), 0.0) if gaussian else float(a == b)
            for k in range(len(A)):
                left[(k, *q)] = share * A[(k, *p)]
        out[p] = score_of(e, left, n, score)
    return out


@oracle("fd_cam")
@oracle("fd_cam", threshold=0.5)
@oracle("fd_cam", score="probability")
def fd_cam(e: Evidence, n: int, threshold: float = 0.95, score: str = "logit") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    y, scores = score_of(e, A, n, score), []
    lengths = [sum(v**2 for v in channel.flatten()) ** 0.5 for channel in A]
    for k in range(len(A)):
        cosine = [
            sum(a * b for a, b in zip(A[k].flatten(), A[j].flatten(), strict=True)) / (lengths[k] * lengths[j])
            if lengths[k] * lengths[j] > 0
            else 0.0
            for j in range(len(A))
        ]
        bound = np.quantile(cosine, threshold)
        alone, without = A.copy(), A.copy()
        for j in range(len(A)):
            if cosine[j] > bound:
                without[j] = 0.0
            else:
                alone[j] = 0.0
        scores.append(score_of(e, alone, n, score) + y - score_of(e, without, n, score))
    s, g = spread(np.array(scores)), spread(np.array([total(G, k) for k in range(len(G))]))
    return rectified(weighted([float(np.exp(s[k]) * g[k] - 0.5) for k in range(len(A))], A))
