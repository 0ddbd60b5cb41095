"""Pictures with noise."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...words.bounds import at_least
from ...words.notation import noisy
from .views import Views, unchanged


@dataclass(frozen=True)
class Noise:
    """The plain mean over noisy pictures: SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825."""

    samples: int = 8
    sigma: float = 0.2
    """The noise's standard deviation as a share of the picture's max - min."""
    seed: int = 0
    scaled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples)
        at_least(0, sigma=self.sigma)

    @property
    def passes(self) -> float:
        return self.samples

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in noisy(images, samples=self.samples, sigma=self.sigma, seed=self.seed):
            yield view, unchanged
