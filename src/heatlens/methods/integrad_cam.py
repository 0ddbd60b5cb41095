"""InteGrad-CAM, from the library class_activation_mapping; there is no paper (Integrated Grad-CAM, which has one, is
another method).

    G = 1/n sum_i  dy/dA at X_0 + i/n (X - X_0),   i = 1 .. n
    L = ReLU( sum_k  (1/Z sum_ij G_k(i,j)) A_k ),   A at X

Grad-CAM with its gradient averaged on the way from X_0 to the image.  X_0 is black.  The library also offers grey,
but arrives at 128 times a picture that is already normalised, far outside of what a network ever sees.
"""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

from ..words.bounds import at_least
from ..words.notation import Maps, Stack, Summing, along_path, channel_sum, relu, spatial_mean
from ..words.signature import method


@method
def integrad_cam(
    images: Tensor,
    baseline: Tensor,
    perturbed: Callable[[Iterable[Tensor]], Iterator[tuple[Stack, Stack]]],
    *,
    steps: int = 8,
    summing: Summing = "plain",
) -> Maps:
    at_least(1, steps=steps)
    weight = images.new_zeros(())
    for A, G in perturbed(along_path(baseline, images, steps=steps)):  # noqa: B007  the last A is the image's own
        weight = weight + spatial_mean(G) / steps
    return relu(channel_sum(weight * A, summing))
