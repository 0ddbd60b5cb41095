"""Models that resize and pad pictures by themselves: which part of a layer's space shows the picture."""

from dataclasses import dataclass
from math import ceil

from torch import Tensor

from ...words.notation import Stack

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Padding:
    """As torchvision's detectors do it: enlarged or shrunk, then padded at the right and at the bottom.

    The shorter side becomes `shorter` unless the longer one would exceed `longer`; both sides are padded to a multiple.
    """

    shorter: int
    longer: int
    multiple: int

    def shown(self, size: Sizes, space: Sizes) -> Sizes:
        """How many rows and columns of a layer's space show a picture of this size: to the nearest whole one."""
        scale = min(self.shorter / min(size), self.longer / max(size))
        sides = [int(side * scale) for side in size]
        shares = [side / (ceil(side / self.multiple) * self.multiple) for side in sides]
        return tuple(max(1, round(places * share)) for places, share in zip(space, shares, strict=True))


@dataclass(frozen=True)
class Trimmed:
    """(n, c, rows, columns) of which only the first ones show the picture."""

    kept: Sizes

    def to_stack(self, said: Tensor) -> Stack:
        rows, columns = self.kept
        return said[:, :, :rows, :columns]

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        """What lies on the padding stays what it is in `said`."""
        rows, columns = self.kept
        whole = said.clone()
        whole[:, :, :rows, :columns] = stack
        return whole
