"""Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks.  Haofan Wang, Zifan Wang, Mengnan
Du, Fan Yang, Zijian Zhang, Sirui Ding, Piotr Mardziel, Xia Hu.  CVPR Workshops 2020, arXiv:1910.01279.

    H_k = (U(A_k) - min) / (max - min)
    w_k = y(X * H_k)
    L   = ReLU( sum_k  w_k A_k )

This is the authors' released code, y being the class's softmax probability.  Their Algorithm 1 subtracts the score of
a baseline picture and takes the softmax of w over the channels, in which the baseline cancels: `channel_softmax`.
Probabilities then become nearly even weights; logits do not.  A constant channel has no mask and, as in that code, no
weight; no picture is made for it.  `top` looks only at that many channels, those with the largest standard deviation
(Faster-Score-CAM).
"""

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, channel_sum, over_space, relu
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, masks, softmax_over, varying


@method
def score_cam(
    activations: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    score: Scoring = "probability",
    channel_softmax: bool = False,
    top: int = 0,
) -> Maps:
    at_least(0, top=top)
    A = compact(activations, varying(activations), activations.flatten(2).std(2, correction=0), top)

    def masked(i: Tensor, k: Tensor) -> Tensor:
        return images[i] * masks(A, i, k, enlarge)

    weight = score_under(masked, A.shape[1], probability=score == "probability")
    if channel_softmax:
        weight = softmax_over(weight, varying(A))
    return relu(channel_sum(over_space(weight, A) * A))
