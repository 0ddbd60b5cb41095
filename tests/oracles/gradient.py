"""Oracles of the methods that use gradients."""

import numpy as np
import torch

from helpers.evidence import Evidence
from oracles.loops import (
    Map,
    blurred,
    first_component,
    look,
    number_of_places,
    oracle,
    places,
    rectified,
    slope_of,
    stack_of,
    summed,
    total,
    weighted,
)


@oracle("cam")
@oracle("cam", summing="eigen")
def cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    w = e.head[e.classes[n]].tolist()
    return weighted(w, stack_of(e, n), summing)


@oracle("grad_cam")
@oracle("grad_cam", summing="eigen")
def grad_cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    w = [total(G, k) / number_of_places(G) for k in range(len(A))]
    return rectified(weighted(w, A, summing))


def product(A: np.ndarray, G: np.ndarray) -> np.ndarray:
    pairs = zip(A.flatten().tolist(), G.flatten().tolist(), strict=True)
    return np.array([g * a for a, g in pairs]).reshape(A.shape)


@oracle("hires_cam")
@oracle("hires_cam", summing="eigen")
def hires_cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    return summed(product(stack_of(e, n), slope_of(e, n)), summing)


@oracle("odam")
@oracle("odam", smoothing=0.0)
@oracle("odam", smoothing=0.6, summing="eigen")
def odam(e: Evidence, n: int, smoothing: float = 1.0, summing: str = "plain") -> Map:
    G = slope_of(e, n)
    reach = int(-(-3 * smoothing // 1))  # the ceiling
    smooth = np.array([blurred(g[None], 2 * reach + 1, smoothing)[0] for g in G]) if smoothing else G
    return rectified(summed(product(stack_of(e, n), smooth), summing))


@oracle("zoom_cam")
def zoom_cam(e: Evidence, n: int) -> Map:
    positive = rectified(hires_cam(e, n))
    peak = max(positive[p] for p in np.ndindex(*positive.shape))
    return positive / peak if peak > 0 else positive


@oracle("grad_cam_element_wise")
@oracle("grad_cam_element_wise", summing="eigen")
def grad_cam_element_wise(e: Evidence, n: int, summing: str = "plain") -> Map:
    each = product(stack_of(e, n), slope_of(e, n))
    return summed(np.stack([rectified(m) for m in each]), summing)


def plus_plus_alpha(g2: float, g3: float, S: float) -> float:
    """g2 / (2 g2 + S g3), its denominator over g2 never below 1."""
    if g2 == 0:
        return 0.0
    denominator = 2 * g2 + S * g3
    return g2 / denominator if denominator > g2 else 1.0


@oracle("grad_cam_pp")
@oracle("grad_cam_pp", normalise_alpha=True)
@oracle("grad_cam_pp", summing="eigen")
def grad_cam_pp(e: Evidence, n: int, normalise_alpha: bool = False, summing: str = "plain") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    weights = []
    for k in range(len(A)):
        S, w, alphas = total(A, k), 0.0, 0.0
        for p in places(A):
            g = G[(k, *p)]
            if g > 0:
                alpha = plus_plus_alpha(g**2, g**3, S)
                w += alpha * g
                alphas += alpha
        weights.append(w / alphas if normalise_alpha and alphas > 0 else w)
    return rectified(weighted(weights, A, summing))


@oracle("smooth_grad_cam_pp")
@oracle("smooth_grad_cam_pp", samples=3, sigma=0.5)
@oracle("smooth_grad_cam_pp", seed=5, summing="eigen")
def smooth_grad_cam_pp(
    e: Evidence, n: int, *, samples: int = 8, sigma: float = 0.2, seed: int = 0, summing: str = "plain"
) -> Map:
    X, A = e.images[n], stack_of(e, n)
    generator = torch.Generator().manual_seed(seed)
    spread = sigma * (X.max() - X.min())
    noise = [torch.randn(X.shape, generator=generator).double() for _ in range(samples)]
    slopes = [look(e, X + spread * one, n)[1] for one in noise]
    weights = []
    for k in range(len(A)):
        S, w = total(A, k), 0.0
        for p in places(A):
            D1 = sum(G[(k, *p)] for G in slopes) / samples
            D2 = sum(G[(k, *p)] ** 2 for G in slopes) / samples
            D3 = sum(G[(k, *p)] ** 3 for G in slopes) / samples
            if D1 > 0:
                w += plus_plus_alpha(D2, D3, S) * D1
        weights.append(w)
    return rectified(weighted(weights, A, summing))


@oracle("xgrad_cam")
@oracle("xgrad_cam", absolute=False)
@oracle("xgrad_cam", summing="eigen")
def xgrad_cam(e: Evidence, n: int, absolute: bool = True, summing: str = "plain") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    weights = []
    for k in range(len(A)):
        S, w = total(abs(A) if absolute else A, k), 0.0
        for p in places(A):
            if S != 0:
                w += A[(k, *p)] / S * G[(k, *p)]
        weights.append(w)
    return rectified(weighted(weights, A, summing))


@oracle("layer_cam")
@oracle("layer_cam", gradient_stride=2)
@oracle("layer_cam", gradient_stride=3)
@oracle("layer_cam", summing="eigen")
def layer_cam(e: Evidence, n: int, gradient_stride: int = 1, summing: str = "plain") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    if gradient_stride > 1:
        G = np.stack([enlarged(block_means(g, gradient_stride), g.shape) for g in G])
    out = np.zeros_like(A)
    for k in range(len(A)):
        for p in places(A):
            out[(k, *p)] = max(G[(k, *p)], 0.0) * A[(k, *p)]
    return rectified(summed(out, summing))


def block_means(g: np.ndarray, stride: int) -> np.ndarray:
    """The mean over blocks of `stride` places a side; what does not fill a block is left out, as pooling does."""
    sides = [min(stride, length) for length in g.shape]
    out = np.zeros([length // side for length, side in zip(g.shape, sides, strict=True)])
    for block in np.ndindex(*out.shape):
        inside = [
            g[tuple(b * s + o for b, s, o in zip(block, sides, offset, strict=True))] for offset in np.ndindex(*sides)
        ]
        out[block] = sum(inside) / len(inside)
    return out


def enlarged(g: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation with the corners on the corners, one axis after the other."""
    for axis, length in enumerate(size):
        old = g.shape[axis]
        columns = []
        for i in range(length):
            at = i * (old - 1) / (length - 1) if length > 1 else 0.0
            low = min(int(at), old - 1)
            high = min(low + 1, old - 1)
            columns.append((1 - (at - low)) * g.take(low, axis) + (at - low) * g.take(high, axis))
        g = np.stack(columns, axis)
    return g


@oracle("eigen_grad_cam")
@oracle("eigen_grad_cam", centred=False)
def eigen_grad_cam(e: Evidence, n: int, centred: bool = True) -> Map:
    return first_component(product(stack_of(e, n), slope_of(e, n)), centred=centred)


@oracle("seg_eigen_cam")
@oracle("seg_eigen_cam", centred=True)
def seg_eigen_cam(e: Evidence, n: int, centred: bool = False) -> Map:
    m = first_component(product(stack_of(e, n), abs(slope_of(e, n))), centred=centred)
    return -m if abs(m.min()) > abs(m.max()) else m


@oracle("shapley_cam")
@oracle("shapley_cam", summing="eigen")
def shapley_cam(e: Evidence, n: int, summing: str = "plain") -> Map:
    A, G = stack_of(e, n), slope_of(e, n)
    flat = torch.as_tensor(A).flatten()
    hessian = torch.autograd.functional.hessian(lambda a: e.score(a.reshape(1, *A.shape), n)[0], flat).numpy()
    rows = A.reshape(-1)
    HA = np.array([sum(hessian[a, b] * rows[b] for b in range(len(rows))) for a in range(len(rows))]).reshape(A.shape)
    w = [(total(G, k) - total(HA, k) / 2) / number_of_places(A) for k in range(len(A))]
    return rectified(weighted(w, A, summing))


@oracle("layer_integrated_gradients")
@oracle("layer_integrated_gradients", steps=5)
def layer_integrated_gradients(e: Evidence, n: int, steps: int = 32) -> Map:
    A = stack_of(e, n)
    out = np.zeros(A.shape[1:])
    for step in range(steps):
        leaf = torch.as_tensor((2 * step + 1) / (2 * steps) * A)[None].requires_grad_()
        (G,) = torch.autograd.grad(e.score(leaf, n).sum(), leaf)
        out += summed(product(A, G[0].numpy())) / steps
    return out


@oracle("integrated_grad_cam")
@oracle("integrated_grad_cam", steps=3)
def integrated_grad_cam(e: Evidence, n: int, steps: int = 20) -> Map:
    X0, X = e.baseline[n], e.images[n]
    A0 = look(e, X0, n)[0]
    out = np.zeros(A0.shape[1:])
    for i in range(1, steps + 1):
        A, G = look(e, X0 + i / steps * (X - X0), n)
        w = [total(G, k) / number_of_places(G) for k in range(len(A))]
        out += weighted(w, A - A0) / steps
    return rectified(out)


@oracle("integrad_cam")
@oracle("integrad_cam", steps=1)
@oracle("integrad_cam", steps=3, summing="eigen")
def integrad_cam(e: Evidence, n: int, steps: int = 8, summing: str = "plain") -> Map:
    X0, X = e.baseline[n], e.images[n]
    slopes = [look(e, X0 + i / steps * (X - X0), n)[1] for i in range(1, steps + 1)]
    G = sum(slopes) / steps
    w = [total(G, k) / number_of_places(G) for k in range(len(G))]
    return rectified(weighted(w, stack_of(e, n), summing))
