"""What groups of channels are worth, and the one map that comes of them."""

from typing import Literal

import torch
from torch import Tensor

from ...words.notation import Maps, Stack, channel_sum, extremes, over_space, principal, ratio, space
from ..shared.masking import Scoring, compact, gains, gaussian_blur, masks, softmax_over, unit_length, varying
from .slopes import Evidence

Background = Literal["black", "blurred"]


def ablated(e: Evidence, labels: Tensor, groups: int) -> Tensor:
    """(y - y without the group) / |y|: (n, groups)."""

    A = e["activations"]

    def without(stack: Stack, gone: Tensor) -> Stack:
        same = torch.stack([(stack.to(A) == one).flatten(1).all(1) for one in A], 1)
        image = same.int().argmax(1)  # groups are found image by image
        return stack.masked_fill(over_space(gone.to(labels)[:, None] == labels[image], stack), 0)

    y = e["score_with"](without, groups + 1)  # no channel belongs to the last group
    return ratio(y[:, -1:] - y[:, :-1], y[:, -1:].abs())


def eigen(M: Stack) -> Tensor:
    """v_1, the first principal direction of the channels: (n, groups)."""
    along = principal(M, centred=False)
    over = tuple(axis - 1 for axis in space(M))
    return ratio((M * along[:, None]).sum(space(M)), (along**2).sum(over)[:, None])


def masked(
    e: Evidence, M: Stack, scoring: Scoring, channel_softmax: bool, background: Background, top: float
) -> tuple[Stack, Tensor]:
    """The channels that are asked about, and what the picture is worth where they light up: (n, m)."""
    low, high = extremes(M, 2)
    many = int(top) if top >= 1 else -int(-top * M.shape[1] // 1)
    M = compact(M, varying(M), (high - low).reshape(M.shape[:2]), many)
    if background == "blurred":
        y = gains(M, e["images"], gaussian_blur(e["images"], 307, 51.0), e["enlarge"], e["score_under"], scoring)
        return M, softmax_over(y, varying(M)) if channel_softmax else unit_length(y)

    def shown(i: Tensor, k: Tensor) -> Tensor:
        found: Tensor = e["images"][i] * masks(M, i, k, e["enlarge"])
        return found

    y = e["score_under"](shown, M.shape[1], probability=scoring == "probability")
    return M, softmax_over(y, varying(M)) if channel_softmax else y


def best_less_worst(s: Tensor, real: Tensor) -> Tensor:
    """s_b of the group that is worth most, -(1 - s_b) of the one that is worth least, 0 of the others: (n, groups)."""
    best = s.masked_fill(~real, -torch.inf).argmax(1, keepdim=True)
    worst = s.masked_fill(~real, torch.inf).argmin(1, keepdim=True)
    most = s.gather(1, best)
    return torch.zeros_like(s).scatter(1, best, most).scatter_add(1, worst, most - 1)


def summed(s: Tensor, M: Stack) -> Maps:
    """sum_l s_l M_l."""
    return channel_sum(over_space(s, M) * M)
