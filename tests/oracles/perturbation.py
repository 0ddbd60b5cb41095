"""Oracles of the methods that run the network again with a changed layer."""

import numpy as np
from evidence import Evidence
from oracles.loops import Map, oracle, places, rectified, score_of, stack_of, weighted


@oracle("ablation_cam")
@oracle("ablation_cam", group=2)
@oracle("ablation_cam", group=3)
@oracle("ablation_cam", summing="eigen")
def ablation_cam(e: Evidence, n: int, group: int = 1, summing: str = "plain") -> Map:
    A = stack_of(e, n)
    y, weights = score_of(e, A, n), []
    for first in range(0, len(A), group):
        members = range(first, min(first + group, len(A)))
        without = A.copy()
        for k in members:
            without[k] = 0.0
        drop = (y - score_of(e, without, n)) / abs(y)
        weights += [drop / len(members)] * len(members)
    return rectified(weighted(weights, A, summing))


@oracle("recipro_cam")
@oracle("recipro_cam", gaussian=True)
def recipro_cam(e: Evidence, n: int, gaussian: bool = False) -> Map:
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
        out[p] = score_of(e, left, n)
    return out
