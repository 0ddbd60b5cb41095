"""Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization.  Saurabh Desai,
Harish Guruprasad Ramaswamy.  WACV 2020.

    w_k = (y - y_k) / |y|,   y_k = the score with A_k set to zero
    L   = ReLU( sum_k  w_k A_k )

The paper divides by y, which is positive for the classes it explains.  Where y is negative that would turn the map
into its opposite, so the magnitude is taken: a channel whose removal lowers the score speaks for the class, whatever
the score. `group` removes that many channels at a time and gives each its share of the drop, which costs as many
passes fewer.  y is the score before the softmax, as in the paper.
"""

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, Summing, channel_sum, over_space, ratio, relu
from ..words.signature import method
from .shared.masking import ScoreWith, Scoring


@method
def ablation_cam(
    activations: Stack,
    score_with: ScoreWith,
    *,
    group: int = 1,
    score: Scoring = "logit",
    summing: Summing = "plain",
) -> Maps:
    at_least(1, group=group)
    channel = torch.arange(activations.shape[1], device=activations.device)
    member_of, groups = channel // group, -(-len(channel) // group)

    def without(stack: Stack, gone: Tensor) -> Stack:
        return stack.masked_fill(over_space(gone.to(member_of)[:, None] == member_of, stack), 0)

    # no channel belongs to the last group: it is the score with nothing removed
    y = score_with(without, groups + 1, probability=score == "probability")
    size = (member_of == channel[:groups, None]).sum(1)
    drop = ratio(y[:, -1:] - y[:, :-1], y[:, -1:].abs() * size)
    return relu(channel_sum(over_space(drop[:, member_of], activations) * activations, summing))
