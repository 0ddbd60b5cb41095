"""Maps as colours: perceptually uniform by default, diverging around zero where maps are signed."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...words.errors import BadValue, NotFinite, unknown

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Map = Tensor | NDArray[np.generic]

DEFAULT, DEFAULT_SIGNED = "inferno", "RdBu_r"
_NOISE = 1e-6
"""Negative values below this share of the largest are round-off, not a signed map."""


def colourise(map: Map, *, cmap: str | None = None, signed: bool | None = None, top: float | None = None) -> Pixels:
    """A map (H, W) in colours: (H, W, 3) uint8 RGB.

    `cmap` is the name of a matplotlib colour map; by default inferno, and RdBu_r for signed maps.  The scale runs from
    0 to `top`, or from -`top` to `top` with zero in the middle if the map is signed (by default: if it has negative
    values); `top` is by default the largest magnitude.  What lies outside is clipped.  A map of zeros gets the colour
    of zero.  Raises UnknownName, BadValue and NotFinite.
    """
    values, is_signed = strength(map, signed=signed, top=top)
    return paint(values, is_signed, cmap)


def strength(map: Map, *, signed: bool | None = None, top: float | None = None) -> tuple[Floats, bool]:
    """A map (H, W) as shares of `top`, clipped to [0, 1], or [-1, 1] if signed; and whether it is signed."""
    values = as_array(map)
    if top is not None and not 0 < top < np.inf:
        raise BadValue(f"The colours cannot end at {top}", "Expected a positive number", "Leave it out for the maximum")
    negative = bool(-values.min() > _NOISE * max(values.max(), 0)) if signed is None else signed
    largest = top or float(np.abs(values).max() if negative else values.max())
    if largest <= 0:
        return np.zeros_like(values), negative
    return np.clip(values / largest, -1.0 if negative else 0.0, 1.0, dtype=np.float32), negative


def as_array(map: Map) -> Floats:
    """A map (H, W) as a float32 array; raises BadValue and NotFinite."""
    values = map.detach().float().cpu().numpy() if isinstance(map, Tensor) else np.asarray(map, dtype=np.float32)
    if values.ndim != 2 or not values.size:
        raise BadValue(
            f"A map of shape {tuple(values.shape)} cannot be drawn",
            "Expected (height, width)",
            "Pass one map at a time",
        )
    if not np.isfinite(values).all():
        raise NotFinite("The map contains NaN or infinity", "Expected finite numbers")
    return values


def paint(values: Floats, signed: bool, cmap: str | None = None) -> Pixels:
    """Shares in [0, 1], or [-1, 1] if signed, in colours: (…, 3) uint8 RGB."""
    table = _table(cmap or (DEFAULT_SIGNED if signed else DEFAULT))
    unit = (values + 1) / 2 if signed else values
    steps = np.minimum(unit * len(table), len(table) - 1).astype(np.uint16)
    return table.take(steps, axis=0)


@lru_cache
def _table(name: str) -> Pixels:
    """The colours of a map from its lowest to its highest value, (n, 3)."""
    import matplotlib

    names = {known.lower(): known for known in matplotlib.colormaps}
    if name.lower() not in names:
        raise unknown("colour map", name, names.values(), "matplotlib's colour map reference")
    colours = matplotlib.colormaps[names[name.lower()]]
    table: Pixels = colours(np.arange(colours.N), bytes=True)[:, :3]
    return table
