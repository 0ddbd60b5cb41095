"""Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep Convolutional Neural Network
Models.  Daniel Omeiza, Skyler Speakman, Celia Cintas, Komminist Weldemariam.  IntelliSys 2019, arXiv:1908.01224.

    D1, D2, D3   = means over noisy images X + N(0, s^2) of g, g^2, g^3,   g = dy/dA_k(i,j)
    alpha_k(i,j) = D2 / (2 D2 + D3 sum_ab A_k(a,b))
    w_k          = sum_ij  alpha_k(i,j) ReLU(D1)
    L            = ReLU( sum_k  w_k A_k )

A belongs to the image without noise.  The paper prints D1 as the numerator of alpha; that is read as a slip, since
only D2 gives back Grad-CAM++ when there is no noise.  s = sigma (max X - min X), as SmoothGrad measures it.  D3 can
be negative where D1 is positive, so the denominator is guarded as in Grad-CAM++: 2 + S D3/D2 does not fall below 1.
"""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, Summing, channel_sum, noisy, ratio, relu, spatial_sum
from ..words.signature import method


@method
def smooth_grad_cam_pp(
    activations: Stack,
    images: Tensor,
    perturbed: Callable[[Iterable[Tensor]], Iterator[tuple[Stack, Stack]]],
    *,
    samples: int = 8,
    sigma: float = 0.2,
    seed: int = 0,
    summing: Summing = "plain",
) -> Maps:
    at_least(1, samples=samples)
    at_least(0, sigma=sigma)
    D1 = D2 = D3 = activations.new_zeros(())
    for _, g in perturbed(noisy(images, samples=samples, sigma=sigma, seed=seed)):
        D1, D2, D3 = D1 + g / samples, D2 + g**2 / samples, D3 + g**3 / samples
    alpha = 1 / (2 + spatial_sum(activations) * ratio(D3, D2)).clamp(min=1)
    weight = spatial_sum(alpha * relu(D1))
    return relu(channel_sum(weight * activations, summing))
