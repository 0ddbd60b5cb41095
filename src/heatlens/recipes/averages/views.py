"""What an average is."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor

from ...words.notation import Maps

Views = Iterator[tuple[Tensor, Callable[[Maps], Maps]]]


@runtime_checkable
class Average(Protocol):
    """A frozen value: which versions of the images are looked at, and how a map of each comes back."""

    @property
    def scaled(self) -> bool:
        """Whether each map is divided by its peak magnitude before the mean."""

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        """Versions of `images` `(n, channels, *size)`, each with the function that puts its maps `(n, *space)` back."""


def unchanged(maps: Maps) -> Maps:
    """The view lay where the picture does."""
    return maps


def mirrored(x: Tensor) -> Tensor:
    """Left is right."""
    return x.flip(-1)
