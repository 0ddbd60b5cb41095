"""Oracles of the methods that send the score back under another rule.  The rules themselves are the evidence's."""

import numpy as np
import torch

from helpers.evidence import Evidence
from oracles.gradient import grad_cam
from oracles.loops import Map, enlarged, number_of_places, oracle, rectified, spread, stack_of, summed, total, weighted


@oracle("lift_cam")
@oracle("lift_cam", summing="eigen")
def lift_cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    A, DL = stack_of(e, n), e.propagated("rescale")[n].numpy()
    return rectified(weighted([total(DL, k) for k in range(len(A))], A, summing))


@oracle("relevance_cam")
@oracle("relevance_cam", summing="eigen")
def relevance_cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    A, R = stack_of(e, n), e.propagated("relevance")[n].numpy()
    return weighted([total(R, k) / number_of_places(R) for k in range(len(A))], A, summing)


def one_number(R: np.ndarray, colours: str) -> Map:
    match colours:
        case "largest":
            return np.array([max(abs(v) for v in place) for place in R.reshape(len(R), -1).T]).reshape(R.shape[1:])
        case "signed":
            return summed(R)
    return summed(np.stack([np.array([abs(v) for v in m.flatten()]).reshape(m.shape) for m in R]))


@oracle("guided_backprop")
@oracle("guided_backprop", colours="largest")
@oracle("guided_backprop", colours="signed")
def guided_backprop(e: Evidence, n: int, colours: str = "magnitude") -> Map:
    return one_number(e.propagated("guided")[n].numpy(), colours)


@oracle("guided_grad_cam")
@oracle("guided_grad_cam", colours="signed")
def guided_grad_cam(e: Evidence, n: int, colours: str = "magnitude") -> Map:
    where = enlarged(grad_cam(e, n), tuple(e.images.shape[2:]))
    return guided_backprop(e, n, colours) * where


def psi(term: np.ndarray, size: tuple[int, ...]) -> Map:
    """sum_k U(MM(|m|)_k), MM over the whole term, the corners of U aligned"""
    return summed(np.stack([enlarged(m, size, align_corners=True) for m in spread(np.abs(term))]))


@oracle("full_grad")
def full_grad(e: Evidence, n: int) -> Map:
    terms = [term[n].numpy() for term in e.full_gradients() if term.ndim == e.images.ndim]
    return summed(np.stack([psi(term, tuple(e.images.shape[2:])) for term in terms]))


@oracle("smooth_full_grad", samples=3)
@oracle("smooth_full_grad", samples=2, sigma=0.5, seed=3)
def smooth_full_grad(e: Evidence, n: int, samples: int = 25, sigma: float = 0.15, seed: int = 0) -> Map:
    X, generator, size = e.images, torch.Generator().manual_seed(seed), tuple(e.images.shape[2:])
    terms: list[np.ndarray | float] = []
    for _ in range(samples):
        noise = torch.randn(X.shape[1:], generator=generator).double()
        noisy = torch.stack([x + sigma * (x.max() - x.min()) * noise for x in X])
        here = [term[n].numpy() for term in e.full_gradients(noisy) if term.ndim == X.ndim]
        terms = [a + b / samples for a, b in zip(terms or [0.0] * len(here), here, strict=True)]
    first, *rest = terms
    return summed(np.stack([psi(summed(first)[None], size), *(psi(term, size) for term in rest)]))
