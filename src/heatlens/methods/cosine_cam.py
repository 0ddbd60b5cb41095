"""Cosine-CAM, from the library class_activation_mapping; there is no paper.

    M_g = the mean of w_k A_k over the channels of cluster g,   w_k = 1/Z sum_ij A_k(i,j) dy/dA_k(i,j)
    v_g = y(X * H_g + X~ * (1 - H_g)) - y(X~),   H_g = (U(M_g) - min) / (max - min)
    L   = ReLU( sum_g  v_g / |v| M_g )

The clusters are those of k-means over the w_k A_k, each divided by its length as a vector of places; X~ is the picture
blurred with sigma 51.  The library takes the rows of a singular value decomposition instead of the maps themselves,
which lie equally far from each other wherever there are fewer channels than places; here, the maps.  It clusters them
at the size of the image, and subtracts the median in the end; not here.  0 `groups`: as many as the elbow of k-means
shows.
"""

from torch import Tensor

from ..words.bounds import at_least
from ..words.cautions import exchanged
from ..words.notation import Maps, Stack, channel_sum, over_space, relu, spatial_mean
from ..words.signature import method
from .shared.clusters import cluster, grouped
from .shared.masking import Enlarge, ScoreUnder, Scoring, compact, gains, gaussian_blur, unit_length, varying


@method(caution=exchanged)
def cosine_cam(
    activations: Stack,
    gradients: Stack,
    images: Tensor,
    enlarge: Enlarge,
    score_under: ScoreUnder,
    *,
    groups: int = 0,
    score: Scoring = "logit",
    seed: int = 0,
) -> Maps:
    at_least(0, groups=groups)
    each = spatial_mean(activations * gradients) * activations
    M = grouped(each, cluster(each, "k-means", groups=groups, seed=seed, cosine=True))
    M = compact(M, varying(M))
    v = gains(M, images, gaussian_blur(images, 307, 51.0), enlarge, score_under, score)
    return relu(channel_sum(over_space(unit_length(v), M) * M))
