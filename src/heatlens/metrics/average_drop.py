"""Average Drop: Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks.  Aditya
Chattopadhay, Anirban Sarkar, Prantik Howlader, Vineeth N. Balasubramanian.  WACV 2018, arXiv:1710.11063.

    Y = p_c(X),  O = p_c(X * L)
    100 max(0, Y - O) / Y,  0 where Y is 0

In per cent, L being the map in [0, 1] and X normalised.  pytorch-grad-cam does not divide (relative=no) and, as
torch-cam does too, takes logits unless told otherwise (score=logit).
"""

from torch import Tensor

from ..methods.shared.masking import Scoring
from ..words.metric import metric
from ..words.notation import Maps, ratio, relu
from .shared.masked import beside_masked
from .shared.replacing import Scored


@metric(better="lower")
def average_drop(
    images: Tensor,
    heat: Maps,
    confidence_under: Scored,
    score_under: Scored,
    *,
    score: Scoring = "probability",
    relative: bool = True,
) -> Tensor:
    Y, O = beside_masked(images, heat, confidence_under, score_under, score)  # noqa: E741
    drop = relu(Y - O)
    return 100 * (ratio(drop, Y) if relative else drop)
