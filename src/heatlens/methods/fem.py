"""FEM (Feature-based Explanation Method): Features Understanding in 3D CNNs for Actions Recognition in Video.  Kazi
Ahmed Asif Fuad, Pierre-Etienne Martin, Romain Giot, Romain Bourqui, Jenny Benois-Pineau, Akka Zemmari.  IPTA 2020,
hal-02963298.

    B_k(i,j) = 1 where A_k(i,j) > mu_k + K sigma_k, else 0      mu_k, sigma_k over the places of the channel
    w_k      = 1/Z sum_ij  B_k(i,j)
    L        = sum_k  w_k A_k

K is the setting `k`, sigma_k the population's.  A constant channel has no place above its mean and weighs nothing.
"""

from ..words.notation import Maps, Stack, Summing, channel_sum, extremes, space, spatial_mean
from ..words.signature import method


@method
def fem(activations: Stack, *, k: float = 2.0, summing: Summing = "plain") -> Maps:
    rise = activations - extremes(activations, 2)[0]  # measured from the lowest place, a constant is exactly 0
    sigma = rise.std(space(rise), correction=0, keepdim=True)
    weight = spatial_mean((rise > spatial_mean(rise) + k * sigma).to(rise))
    return channel_sum(weight * activations, summing)
