"""Where a photo lies in a model's input, and the way back: maps, points and boxes on the photo's own pixels.

Along each axis, `input = scale * photo + offset` in continuous coordinates, where pixel i covers [i, i + 1) and its
centre is i + 1/2.  Points are (x, y) pixel positions: (0, 0) is the centre of the first pixel.  Boxes are
(x0, y0, x1, y1), half-open, in continuous coordinates.  Sizes are (height, width).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..words.errors import BadValue

Size = tuple[int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Placement:
    """How the pixels of a photo lie in the input of a model; all pairs are (vertical, horizontal)."""

    photo_size: Size
    input_size: Size
    scale: tuple[float, float]
    """Input pixels per photo pixel."""
    offset: tuple[float, float]
    """Where the photo's top left corner lies in the input: negative when cropped, positive when padded."""

    @classmethod
    def identity(cls, size: Size) -> "Placement":
        """The photo is the input."""
        return cls(size, size, (1.0, 1.0), (0.0, 0.0))

    def point_to_input(self, point: Point) -> Point:
        """The input position (x, y) of a photo position; outside the input where the model did not see it."""
        x, y = point
        return self._forth(x + 0.5, 1) - 0.5, self._forth(y + 0.5, 0) - 0.5

    def point_to_photo(self, point: Point) -> Point:
        """The photo position (x, y) of an input position; outside the photo where the input is padding."""
        x, y = point
        return self._back(x + 0.5, 1) - 0.5, self._back(y + 0.5, 0) - 0.5

    def box_to_input(self, box: Box) -> Box:
        """A photo's box in the input, cut at the input's edges."""
        x0, y0, x1, y1 = box
        moved = self._forth(x0, 1), self._forth(y0, 0), self._forth(x1, 1), self._forth(y1, 0)
        return _cut(moved, self.input_size)

    def box_to_photo(self, box: Box) -> Box:
        """An input's box on the photo, cut at the photo's edges."""
        x0, y0, x1, y1 = box
        moved = self._back(x0, 1), self._back(y0, 0), self._back(x1, 1), self._back(y1, 0)
        return _cut(moved, self.photo_size)

    def _forth(self, at: float, axis: int) -> float:
        return self.scale[axis] * at + self.offset[axis]

    def _back(self, at: float, axis: int) -> float:
        return (at - self.offset[axis]) / self.scale[axis]

    def centres(self, axis: int) -> Tensor:
        """Input coordinates of the centres of the photo's pixels along an axis, float64."""
        return (torch.arange(self.photo_size[axis], dtype=torch.float64) + 0.5) * self.scale[axis] + self.offset[axis]


_AT_ONCE = 2**23
"""Numbers of a map that are interpolated at a time."""


def rescaled(placement: Placement, size: Size) -> Placement:
    """Where the photo lies in the input when it is drawn (height, width) large."""
    rows, columns = (
        scale * was / now for scale, was, now in zip(placement.scale, placement.photo_size, size, strict=True)
    )
    return replace(placement, photo_size=size, scale=(rows, columns))


def seen(placement: Placement) -> Tensor:
    """(H, W) bool: the photo's pixels whose centre lies in the model's input."""
    rows, columns = (
        (centres >= 0) & (centres <= extent)
        for centres, extent in zip(map(placement.centres, (0, 1)), placement.input_size, strict=True)
    )
    return rows[:, None] & columns


def to_photo(maps: Tensor, placement: Placement) -> Tensor:
    """Maps (…, h, w) of any resolution, covering the whole model input, on the photo's pixels: (…, H, W) float32.

    One bilinear interpolation with half-pixel centres and clamped borders, as `F.interpolate(align_corners=False)`
    where the photo is the input.  0 where the model did not see the photo.
    """
    if maps.ndim < 2 or not maps.shape[-1] or not maps.shape[-2]:
        raise BadValue(f"A map of shape {tuple(maps.shape)} cannot be laid on a photo", "Expected (…, height, width)")
    whole = maps.new_empty((*maps.shape[:-2], *placement.photo_size), dtype=torch.float32)
    for rows, part in _laid(maps, placement):
        whole[..., rows, :] = part
    return whole


def highest(map: Tensor, placement: Placement) -> tuple[float, tuple[int, int]]:
    """Of a map (h, w) laid on the photo: its highest value that the model saw, and that pixel (x, y), the first."""
    best, place = -float("inf"), (0, 0)
    inside = seen(placement)
    for rows, part in _laid(map, placement):
        masked = part.masked_fill(~inside[rows].to(part.device), -float("inf"))
        at = int(masked.argmax())
        value = float(masked.flatten()[at])
        if value > best:
            best, place = value, (at % part.shape[-1], at // part.shape[-1] + rows.start)
    return best, place


def _laid(maps: Tensor, placement: Placement) -> Iterator[tuple[slice, Tensor]]:
    """The maps on the photo, rows by rows where it is large; 0 where the model did not see it."""
    high = _interpolate(maps.float(), placement, axis=0)
    height, width = placement.photo_size
    inside = seen(placement).to(maps.device)
    step = max(_AT_ONCE * height // max(high.numel() // high.shape[-1] * width, 1), 1)
    for begin in range(0, height, step):
        rows = slice(begin, min(begin + step, height))
        yield rows, _interpolate(high[..., rows, :], placement, axis=1).masked_fill_(~inside[rows], 0)


def _interpolate(maps: Tensor, placement: Placement, axis: int) -> Tensor:
    """Linear interpolation along one axis (0 vertical, 1 horizontal) at the centres of the photo's pixels."""
    dim = axis - 2
    cells = maps.shape[dim]
    at = placement.centres(axis) * (cells / placement.input_size[axis]) - 0.5
    at = at.clamp(0, cells - 1)
    low = at.floor().long().clamp(max=max(cells - 2, 0))
    weight = (at - low).float().to(maps.device)
    before = maps.index_select(dim, low.to(maps.device))
    after = maps.index_select(dim, (low + 1).clamp(max=cells - 1).to(maps.device))
    return torch.lerp(before, after, weight[:, None] if axis == 0 else weight)


def _cut(box: Box, size: Size) -> Box:
    height, width = size
    x0, y0, x1, y1 = box
    return min(max(x0, 0.0), width), min(max(y0, 0.0), height), min(max(x1, 0.0), width), min(max(y1, 0.0), height)
