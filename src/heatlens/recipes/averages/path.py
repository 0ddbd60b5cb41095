"""Pictures on their way from black."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...words.bounds import at_least
from ...words.notation import along_path
from .views import Views, unchanged


@dataclass(frozen=True)
class Path:
    """The plain mean over the straight path from black to the picture, the picture included."""

    steps: int = 8
    scaled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)

    @property
    def passes(self) -> float:
        return self.steps

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        for view in along_path(baseline, images, steps=self.steps):
            yield view, unchanged
