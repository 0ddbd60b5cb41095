"""gScoreCAM: What Objects Is CLIP Looking At?  Peijie Chen, Qi Li, Saad Biaz, Trung Bui, Anh Nguyen.  ACCV 2022.

    K   = the `top` channels with the largest 1/Z sum_ij dy/dA_k(i,j)
    H_k = (U(A_k) - min) / (max - min)
    w   = softmax over K of y(X * H_k)
    L   = ReLU( sum_K  w_k A_k )

Score-CAM that asks only the channels which the gradient points at.  The authors' code lets the other channels into
the softmax with a score of 0, which for the scores of CLIP gives them no weight to speak of; here they have none.
"""

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, channel_sum, over_space, relu, spatial_mean
from ..words.signature import method
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, masks, softmax_over, varying


@method
def g_score_cam(
    activations: Stack,
    gradients: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    top: int = 300,
    score: Scoring = "logit",
) -> Maps:
    at_least(1, top=top)
    A = compact(activations, varying(activations), spatial_mean(gradients).flatten(1), top)

    def masked(i: Tensor, k: Tensor) -> Tensor:
        return images[i] * masks(A, i, k, enlarge)

    y = score_under(masked, A.shape[1], probability=score == "probability")
    return relu(channel_sum(over_space(softmax_over(y, varying(A)), A) * A))
