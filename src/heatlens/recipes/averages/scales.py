"""Pictures at several sizes."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...words.bounds import all_finite
from ...words.errors import BadSetting
from ...words.notation import resize, resize_maps
from .views import Views, mirrored


@dataclass(frozen=True)
class Scales:
    """The picture at several sizes; the maps come back at the size of the picture."""

    factors: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Sizes as multiples of the picture's own."""
    mirrored: bool = False
    """Whether the mirror image is looked at beside the picture."""
    scaled: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        all_finite(factors=self.factors)
        if min(self.factors) <= 0:
            raise BadSetting(f"the setting factors={self.factors}", "sizes above 0")

    @property
    def passes(self) -> float:
        """A picture of twice the size costs four."""
        return sum(factor**2 for factor in self.factors) * (2 if self.mirrored else 1)

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        size = tuple(images.shape[2:])
        for factor in self.factors:
            sized = resize(images, tuple(max(1, round(factor * side)) for side in size))
            yield sized, lambda maps: resize_maps(maps, size)
            if self.mirrored:
                yield mirrored(sized), lambda maps: resize_maps(mirrored(maps), size)
