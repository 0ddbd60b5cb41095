"""The words of the methods that look at changed pictures: masks made from channels, and what they are worth."""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from ...words.notation import Stack, extremes, over_space, ratio, space, unit_range

Scoring = Literal["probability", "logit"]
"""What a changed picture is worth: the softmax probability of the target's class, or the target's own score."""
Enlarge = Callable[[Stack], Stack]
"""U: a stack at the size of the images."""
Pictures = Callable[[Tensor, Tensor], Tensor]
"""pictures(i, k) -> (m, channels, *size): of image i[j] the variation k[j]; or (m, kept), the places shown."""


class ScoreUnder(Protocol):
    """What each image's variations are worth: (n, count); with `patches`, those that show only some places' tokens."""

    def __call__(self, pictures: Pictures, count: int, probability: bool = False, patches: bool = False) -> Tensor: ...


class ScoreWith(Protocol):
    """What each image is worth with the layer's output replaced: (n, count), y at vary(A, k).

    A: (m, c, *space), the activations of one image or of several; k `(m,)`: the variation that is asked of each.
    """

    def __call__(self, vary: Callable[[Stack, Tensor], Stack], count: int, probability: bool = False) -> Tensor: ...


def masks(stack: Stack, images: Tensor, channels: Tensor, enlarge: Enlarge) -> Tensor:
    """H = MM(U(A)) of one channel each of these images: (m, 1, *size)."""
    return unit_range(enlarge(stack[images, channels][:, None]))


def made_once(k: Tensor, make: Callable[[int], Tensor]) -> Tensor:
    """make(k[j]) for every j, stacked; for numbers that are there several times, once."""
    numbers: list[int] = k.tolist()
    known = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
    made = torch.stack([make(number) for number in known])
    return made[torch.tensor([known[number] for number in numbers], device=made.device)]


def varying(x: Stack) -> Tensor:
    """Which channels are not constant: (n, c).  The mask of a constant is 0/0."""
    low, high = extremes(x, 2)
    return (high > low).reshape(x.shape[:2])


def compact(x: Stack, wanted: Tensor, strength: Tensor | None = None, top: int = 0) -> Stack:
    """The wanted channels `(n, c)` alone: (n, m, *space), zeros where an image has fewer than m of them.

    With `top`, only that many of each image, the strongest first.
    """
    rank = torch.zeros(wanted.shape, device=x.device) if strength is None or not top else strength.detach()
    order = rank.masked_fill(~wanted, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    most = max(1, int(wanted.sum(1).max()))
    order = order[:, : min(most, top) if top else most]
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, order].masked_fill(~over_space(wanted[rows, order], x), 0)


def softmax_over(scores: Tensor, real: Tensor) -> Tensor:
    """softmax_k over the channels `(n, m)` that are real, 0 for the others."""
    return scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(1).masked_fill(~real, 0)


def gains(
    stack: Stack, images: Tensor, background: Tensor, enlarge: Enlarge, score_under: ScoreUnder, scoring: Scoring
) -> Tensor:
    """y(X * H_k + X_b * (1 - H_k)) - y(X_b) for every channel: (n, m)."""
    nothing = torch.cat([stack, torch.zeros_like(stack[:, :1])], 1)

    def blended(i: Tensor, k: Tensor) -> Tensor:
        H = masks(nothing, i, k, enlarge)
        return images[i] * H + background[i] * (1 - H)

    y = score_under(blended, nothing.shape[1], probability=scoring == "probability")
    return (y[:, :-1] - y[:, -1:]).masked_fill(~varying(stack), 0)


def sum_over(weights: Tensor, masks_of: Callable[[Tensor], Tensor]) -> Tensor:
    """sum_k w_k M_k for weights `(n, count)` and masks M `(m, 1, *size)` made a few at a time: (n, places)."""
    count = torch.arange(weights.shape[1], device=weights.device)
    few = torch.tensor_split(count, -(-len(count) // 64))
    return torch.stack([weights[:, k] @ masks_of(k).flatten(1).to(weights) for k in few]).sum(0)


def unit_length(weights: Tensor) -> Tensor:
    """Weights `(n, m)` over their Euclidean length."""
    return ratio(weights, weights.norm(dim=1, keepdim=True))


def gaussian_blur(x: Stack, size: int, sigma: float) -> Stack:
    """x convolved along every axis with a Gaussian cut off at `size` places, mirrored at the border's own places."""
    away = torch.arange(size) - size // 2
    bell = torch.exp(-((away.double() / sigma) ** 2) / 2)
    for axis in space(x):
        length = x.shape[axis]
        period = max(1, 2 * (length - 1))
        place = (torch.arange(length)[:, None] + away).abs() % period
        place = torch.minimum(place, period - place)
        mixing = torch.zeros(length, length, dtype=bell.dtype)
        mixing = mixing.scatter_add(1, place, (bell / bell.sum()).expand(length, size)).to(x)
        x = (x.movedim(axis, -1) @ mixing.T).movedim(-1, axis)
    return x
