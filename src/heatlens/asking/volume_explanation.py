"""What comes out for a volume: a map of its own size, drawn as slices."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..images import Volume, check_axis, colour_bar, grid, overlay
from ..words.errors import BadValue
from ..words.notation import resize_maps
from .explanation import Explanation

_SIDE = 448
_AXES = ("depth", "height", "width")


@dataclass(frozen=True, eq=False, repr=False)
class VolumeExplanation(Explanation):
    """Where one model looks in one volume."""

    photo: Volume  # type: ignore[assignment]
    """The volume."""

    @cached_property
    def map(self) -> NDArray[np.float32]:
        """(D, H, W) float32 on the volume's own voxels, scaled to be looked at: at most 1."""
        return np.asarray(resize_maps(self._shown[None], self.photo.size)[0].numpy(), dtype=np.float32)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(D, H, W): all of it."""
        return np.ones(self.photo.size, bool)

    @cached_property
    def _highest(self) -> tuple[float, Any]:
        z, y, x = np.unravel_index(int(self.map.argmax()), self.map.shape)
        return float(self.map.max()), (int(x), int(y), int(z))

    def slice(self, axis: int, index: int, **look: Any) -> Image.Image:
        """One slice of the volume with its slice of the map, as tall as `side`.  look: as for `images.overlay`."""
        length = self.photo.size[check_axis(axis)]
        if not -length <= index < length:
            raise BadValue(f"slice {index} along {_AXES[axis]}", f"0 to {length - 1}")
        pixels = self.photo.slice(axis, index)
        return overlay(pixels, np.take(self.map, index, axis), **{"signed": self.signed, "top": 1.0, **look})

    def overlay(self, **look: Any) -> Image.Image:
        """The three slices through the peak side by side.  look: as for `images.overlay`."""
        return grid(self._through_peak(**look), side=look.get("side", _SIDE))

    def slices(self, axis: int = 0, count: int = 9, **look: Any) -> Image.Image:
        """Slices at even distances along an axis, on one page."""
        length = self.photo.size[check_axis(axis)]
        if count < 1:
            raise BadValue(f"{count} slices", "at least 1")
        at = torch.linspace(0, length - 1, min(count, length)).round().int().tolist()
        cells = [(self.slice(axis, i, **{"side": _SIDE, **look}), f"{_AXES[axis]} {i}") for i in at]
        return grid(cells, side=look.get("side", _SIDE), heading=self.label[0])

    def picture(self, *, title: str | None = None, **look: Any) -> Image.Image:
        """The three slices through the peak with their label and a colour bar."""
        bar = colour_bar(cmap=look.get("cmap"), signed=self.signed, side=_SIDE)
        heading = " — ".join(self.labelled(title))
        return grid(self._through_peak(**look), side=look.get("side", _SIDE), heading=heading, bar=bar)

    def boxes(self, **how: Any) -> NoReturn:
        """A volume has none."""
        raise BadValue("boxes of a volume", "a photo", "the map is an array (depth, height, width): `.map`")

    def points(self, **how: Any) -> NoReturn:
        """A volume has none but its peak."""
        raise BadValue("points of a volume", "a photo", "its peak is (x, y, z): `.peak`")

    def mask(self, **how: Any) -> NoReturn:
        """A volume has none."""
        raise BadValue("a mask of a volume", "a photo", "for example explanation.map > 0.3")

    def _through_peak(self, **look: Any) -> list[tuple[Image.Image, str]]:
        at = self._highest[1][::-1]
        wanted = {"side": _SIDE, **look}
        return [(self.slice(axis, i, **wanted), f"{_AXES[axis]} {i}") for axis, i in enumerate(at)]
