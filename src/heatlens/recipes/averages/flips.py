"""Pictures mirrored, at several brightnesses."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...words.bounds import all_finite
from .views import Views, mirrored, unchanged


@dataclass(frozen=True)
class Flips:
    """The picture and its mirror image at several brightnesses (what pytorch-grad-cam calls aug_smooth)."""

    factors: tuple[float, ...] = (0.9, 1.0, 1.1)
    """What the normalised picture is multiplied by."""
    scaled: ClassVar[bool] = True
    moves: ClassVar[bool] = True
    """Its views show things at other places."""

    def __post_init__(self) -> None:
        all_finite(factors=self.factors)

    @property
    def passes(self) -> float:
        return 2 * len(self.factors)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for factor in self.factors:
            yield images * factor, unchanged
            yield mirrored(images) * factor, mirrored
