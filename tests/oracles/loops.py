"""Plain loops over images n, channels k and places p = (i, j, ...): the words the oracles are written in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from helpers.evidence import Evidence

Map = np.ndarray
Loops = Callable[..., Map]


@dataclass(frozen=True)
class Oracle:
    """One method, some settings, and the map of image n written as loops."""

    method: str
    settings: dict[str, Any]
    loops: Loops


ORACLES: list[Oracle] = []


def oracle(method: str, **settings: Any) -> Callable[[Loops], Loops]:
    """Pairs `loops(evidence, n, **settings) -> map` with a method at these settings."""

    def register(loops: Loops) -> Loops:
        ORACLES.append(Oracle(method, settings, loops))
        return loops

    return register


def places(stack: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Every place (i, j, ...) of a stack (c, *space)."""
    return np.ndindex(*stack.shape[1:])


def number_of_places(stack: np.ndarray) -> int:
    return sum(1 for _ in places(stack))


def total(stack: np.ndarray, k: int) -> float:
    """sum_p stack[k, p]"""
    out = 0.0
    for value in stack[k].flatten().tolist():
        out += value
    return out


def stack_of(e: Evidence, n: int) -> np.ndarray:
    return e.activations[n].detach().numpy()


def slope_of(e: Evidence, n: int) -> np.ndarray:
    return e.gradients[n].detach().numpy()


def score_of(e: Evidence, stack: np.ndarray, n: int, score: str = "logit") -> float:
    """y of one stack for the class of image n, or with "probability" its softmax."""
    return _worth(e, e.tail(torch.as_tensor(np.ascontiguousarray(stack))[None])[0].tolist(), n, score)


def _worth(e: Evidence, logits: list[float], n: int, score: str) -> float:
    if score == "logit":
        return logits[e.classes[n]]
    odds = [np.exp(value - max(logits)) for value in logits]
    return float(odds[e.classes[n]] / sum(odds))


def look(e: Evidence, picture: torch.Tensor, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A and dy/dA for one picture `(channels, *size)`, with the class of image n."""
    leaf = e.body(picture[None]).detach().requires_grad_()
    (slope,) = torch.autograd.grad(e.score(leaf, n).sum(), leaf)
    return leaf[0].detach().numpy(), slope[0].numpy()


def rectified(m: Map) -> Map:
    return np.array([value if value > 0 else 0.0 for value in m.flatten().tolist()]).reshape(m.shape)


def summed(stack: np.ndarray, summing: str = "plain") -> Map:
    """sum_k, or with "eigen" the first principal component of the channels."""
    if summing == "eigen":
        return first_component(stack, centred=True, with_sum=True)
    rows = stack.reshape(len(stack), -1).tolist()
    out = [0.0] * len(rows[0])
    for row in rows:
        for p, value in enumerate(row):
            out[p] += value
    return np.array(out).reshape(stack.shape[1:])


def weighted(weights: list[float], stack: np.ndarray, summing: str = "plain") -> Map:
    """sum_k w_k A_k"""
    rows = stack.reshape(len(stack), -1).tolist()
    product = [[w * value for value in row] for w, row in zip(weights, rows, strict=True)]
    return summed(np.array(product).reshape(stack.shape), summing)


def first_component(stack: np.ndarray, *, centred: bool, with_sum: bool = False) -> Map:
    """O v_1 by singular value decomposition, high where the places of O are long, or where their sum is."""
    rows = np.array([[stack[(k, *p)] for k in range(len(stack))] for p in places(stack)])
    if centred:
        rows = rows - rows.mean(0)
    along = rows @ np.linalg.svd(rows, full_matrices=False)[2][0]
    return signed(along, rows, with_sum).reshape(stack.shape[1:])


def signed(along: np.ndarray, rows: np.ndarray, with_sum: bool = False) -> np.ndarray:
    """A component's coordinates, or their opposite."""
    agreement = 0.0
    for value, row in zip(along.tolist(), rows.tolist(), strict=True):
        agreement += value * (sum(row) if with_sum else sum(v**2 for v in row) ** 0.5)
    return along if agreement >= 0 else -along


# pictures


def picture_score(e: Evidence, picture: np.ndarray, n: int, score: str = "logit") -> float:
    """y of one picture (channels, *size) for the class of image n, or with "probability" its softmax."""
    logits = e.tail(e.body(torch.as_tensor(np.ascontiguousarray(picture))[None]))[0].tolist()
    return _worth(e, logits, n, score)


def image_of(e: Evidence, n: int) -> np.ndarray:
    return e.images[n].detach().numpy()


def enlarged(m: Map, size: tuple[int, ...], align_corners: bool = False) -> Map:
    """U: linear interpolation along every axis, one after the other."""
    for axis, length in enumerate(size):
        was, rows = m.shape[axis], []
        for i in range(length):
            at = i * (was - 1) / max(1, length - 1) if align_corners else max(0.0, (i + 0.5) * was / length - 0.5)
            low = min(int(at), was - 1)
            high, part = min(low + 1, was - 1), at - low
            rows.append((1 - part) * np.take(m, low, axis) + part * np.take(m, high, axis))
        m = np.stack(rows, axis)
    return m


def spread(m: Map) -> Map:
    """MM, or 0 where it is a constant."""
    values = m.flatten().tolist()
    low, high = min(values), max(values)
    return np.array([(v - low) / (high - low) if high > low else 0.0 for v in values]).reshape(m.shape)


def softmax(values: list[float]) -> list[float]:
    odds = [np.exp(value - max(values)) for value in values]
    return [float(one / sum(odds)) for one in odds]


def is_constant(m: Map) -> bool:
    return bool(m.max() == m.min())


def blurred(picture: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Every axis of (channels, *size) under a Gaussian of `size` places; outside, the picture goes on in a mirror."""
    bell = [np.exp(-((d / sigma) ** 2) / 2) for d in range(-(size // 2), size // 2 + 1)]
    for axis in range(1, picture.ndim):
        length, rows = picture.shape[axis], []
        for i in range(length):
            out = 0.0
            for d, weight in enumerate(bell, -(size // 2)):
                j = i + d
                while not 0 <= j < length:
                    j = -j if j < 0 else 2 * (length - 1) - j
                out = out + weight / sum(bell) * np.take(picture, j, axis)
            rows.append(out)
        picture = np.stack(rows, axis)
    return picture
