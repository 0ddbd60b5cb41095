"""The words formulas are written in.

Tensors are batched: a stack is `(n, c, *space)`, a map `(n, *space)`, with one, two or three spatial dimensions.
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import LayoutUnclear

Stack = Tensor
"""(n, c, *space): one channel stack per image, A in the papers."""
Maps = Tensor
"""(n, *space): one map per image, L in the papers."""
Summing = Literal["plain", "eigen"]
"""How the channels of a weighted stack become one map: their sum, or their first principal component."""

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def space(x: Stack) -> tuple[int, ...]:
    """The spatial dimensions of a stack."""
    return tuple(range(2, x.ndim))


def over_space(weights: Tensor, x: Stack) -> Tensor:
    """Weights `(n, c)` shaped so that they multiply the stack channel by channel; those of places stay as they are."""
    return weights.reshape(*weights.shape, *[1] * (x.ndim - weights.ndim))


def spatial_sum(x: Stack) -> Stack:
    """sum_ij, kept as dimensions of size one."""
    return x.sum(space(x), keepdim=True)


def spatial_mean(x: Stack) -> Stack:
    """1/Z sum_ij, kept as dimensions of size one."""
    return x.mean(space(x), keepdim=True)


def channel_sum(x: Stack, summing: Summing = "plain") -> Maps:
    """sum_k; with "eigen" (eigen-smoothing) the projection on the first principal component instead.

    What it smooths is the sum, so it goes with the sum: the component is positive where the sum is large.
    """
    return x.sum(1) if summing == "plain" else principal(x, centred=True, with_sum=True)


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return x.clamp(min=0)


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, and 0 where the denominator is 0."""
    zero = denominator == 0
    return (numerator / denominator.masked_fill(zero, 1)).masked_fill(zero, 0)


def unit_range(x: Tensor, first: int = 2) -> Tensor:
    """MM: (x - min) / (max - min) over the dimensions from `first` on; a constant becomes 0."""
    low, high = extremes(x, first)
    return ratio(x - low, high - low)


def unit_peak(x: Tensor, first: int = 1) -> Tensor:
    """NM: ReLU(x) / max over the dimensions from `first` on; what is nowhere positive becomes 0."""
    positive = relu(x)
    return ratio(positive, extremes(positive, first)[1])


def unit_scale(x: Tensor, first: int = 1) -> Tensor:
    """x / max |x| over the dimensions from `first` on: sign and zero stay where they are."""
    return ratio(x, extremes(x.abs(), first)[1])


def extremes(x: Tensor, first: int = 1) -> tuple[Tensor, Tensor]:
    """Smallest and largest value over the dimensions from `first` on, kept as dimensions of size one."""
    over = tuple(range(first, x.ndim))
    return x.amin(over, keepdim=True), x.amax(over, keepdim=True)


def resize(x: Stack, size: tuple[int, ...], *, align_corners: bool = False) -> Stack:
    """U: linear interpolation of a stack to a spatial size; of a clip's where the stack is of one frame."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    if x.ndim == 4 and len(size) == 3:
        size = size[1:]
    if x.ndim != 2 + len(size):
        raise LayoutUnclear(
            f"a sequence of {x.shape[2]} steps, which is no picture of size {tuple(size)}",
            "upsample=False of heatlens.attribute, for one number a step",
            f"or grid=(1, {x.shape[2]}), to lay them from left to right",
        )
    return F.interpolate(x, size, mode=_LINEAR[len(size)], align_corners=align_corners)


def resize_maps(maps: Maps, size: tuple[int, ...]) -> Maps:
    """U of maps."""
    return resize(maps[:, None], size).squeeze(1)


def strength(places: Tensor) -> Tensor:
    """How much each place `(n, places, channels)` says: the length of its vector of channels."""
    length: Tensor = torch.linalg.vector_norm(places, dim=2)
    return length


def principal(x: Stack, *, centred: bool, with_sum: bool = False) -> Maps:
    """O v_1: every place's coordinate along the first principal direction of the channels, O = (places x channels).

    The sign, which the decomposition leaves open, is the one that goes with the strength of the places of O: high where
    the network says much.  Behind a ReLU that makes an uncentred map non-negative.  The sum over the channels, another
    rule in use (`with_sum`), points away from objects where activations have both signs: docs/conditioning.md.
    """
    places = x.flatten(2).transpose(1, 2)  # (n, places, channels)
    if centred:
        places = centred_places(places)
    scale = extremes(places.abs())[1]
    places = ratio(places, scale)
    if places.shape[1] <= places.shape[2]:  # the smaller of the two Gram matrices has the same first component
        largest, direction = first_eigenpair(places @ places.mT)
        along = direction * root(largest)
    else:
        _, direction = first_eigenpair(places.mT @ places)
        along = (places @ direction[..., None]).squeeze(-1)
    beside = [places.sum(2)] if with_sum else [strength(places), places.sum(2)]
    return (decided(along, *beside) * scale.squeeze(2)).reshape(x.shape[0], *x.shape[2:])


def first_eigenpair(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue `(n, 1)` and its eigenvector `(n, m)`, of sign undecided, of matrices `(n, m, m)`.

    Differentiable once, by the gaps to the other eigenvalues alone: torch's own derivative is NaN as soon as any two
    eigenvalues are equal, and every two channels that are zero everywhere make a pair of them.
    """
    fixed = symmetric.detach()
    values, vectors = torch.linalg.eigh(fixed)
    first, change = vectors[..., -1:], symmetric - fixed  # the change is 0, but has a derivative
    push = vectors.mT @ (change @ first)
    pull = ratio(push, (values[:, -1:] - values)[..., None])
    return values[:, -1:] + push[:, -1], (first + vectors @ pull).squeeze(-1)


def root(x: Tensor) -> Tensor:
    """The square root, and 0 (with a derivative of 0) where x is not positive."""
    positive = x > 0
    return torch.where(positive, x.where(positive, 1).sqrt(), 0)


def centred_places(places: Tensor) -> Tensor:
    """Places `(n, places, channels)` less each channel's mean, a constant channel exactly 0."""
    rise = places - places[:, :1]
    return rise - rise.mean(1, keepdim=True)


def decided(along: Tensor, *beside: Tensor) -> Tensor:
    """A component's coordinates `(n, places)`, their sign settled: they go with what stands `beside` `(n, places)`.

    Where the two are orthogonal up to rounding, with the next; where all are, the strongest place is positive.
    """
    decision = along.gather(1, along.abs().argmax(1, keepdim=True))
    for other in reversed(beside):
        agreement = (along * other).sum(1, keepdim=True)
        rounding = 1e-6 * along.norm(dim=1, keepdim=True) * other.norm(dim=1, keepdim=True)
        decision = torch.where(agreement.abs() > rounding, agreement, decision)
    return along * decision.sign()


def noisy(images: Tensor, *, samples: int, sigma: float, seed: int) -> Iterator[Tensor]:
    """X + N(0, s^2), `samples` times, with s = sigma (max X - min X) per image (SmoothGrad, arXiv:1706.03825).

    Every image of a batch meets the same noise, so that a batch is its images.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = extremes(images)
    for _ in range(samples):
        noise = torch.randn(images.shape[1:], generator=generator, dtype=torch.float32).to(images)
        yield images + sigma * (high - low) * noise


def along_path(start: Tensor, end: Tensor, *, steps: int) -> Iterator[Tensor]:
    """start + i/steps (end - start) for i = 1 .. steps: the right Riemann points of the straight path."""
    for i in range(1, steps + 1):
        yield start + (end - start) * (i / steps)
