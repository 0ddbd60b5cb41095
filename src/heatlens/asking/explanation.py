"""What comes out: a map on the photo's own pixels, what it explains, and how it was made."""

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..images import (
    Photo,
    Placement,
    colour_bar,
    grid,
    highest,
    is_large,
    overlay,
    overlay_small,
    relative,
    save_array,
    save_image,
    save_json,
    seen,
    to_photo,
)
from ..recipes.naming import recipe_in_full
from ..recipes.recipe import Recipe
from ..targets import Target
from ..words.errors import BadValue
from ..words.notation import unit_range, unit_scale
from .captions import caption

if TYPE_CHECKING:
    from ..images import Box
    from ..localize import Finding

_SIDES = (448, 1600)
"""The longer side of a saved picture lies between these, in pixels."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where one model looks in one photo, for one target, by one recipe."""

    photo: Photo
    model: str
    recipe: Recipe
    """With the layers that were looked at."""
    target: Target
    """Settled: the class is fixed."""
    name: str
    """What is explained, in words."""
    score: float | None
    """The target's value for the photo; None where there is no class, and the method needs none."""
    probability: float | None
    """Of the target's class; None where the target has none."""
    raw: NDArray[np.float32]
    """(h, w): the map as the method gives it, signed, at the layer's resolution (the input's for several layers)."""
    placement: Placement
    predictions: tuple[tuple[str, float], ...] = ()
    """The model's first five classes and their probabilities."""
    warnings: tuple[str, ...] = ()
    signed: bool = field(default=False)
    """Whether negative values mean something: evidence against the target."""

    @property
    def index(self) -> int | None:
        """The index of the explained class."""
        index = getattr(self.target, "index", None)
        return index if isinstance(index, int) else None

    @property
    def method(self) -> str:
        return self.recipe.entry.name

    @cached_property
    def map(self) -> NDArray[np.float32]:
        """(H, W) float32 on the photo's pixels, scaled to be looked at: at most 1, below 0 what speaks against.

        Pixels that the model did not see are 0; `seen` tells which.
        """
        return np.asarray(to_photo(self._shown, self.placement).numpy(), dtype=np.float32)

    @property
    def _shown(self) -> torch.Tensor:
        """The raw map, scaled to be looked at: (h, w)."""
        raw = torch.from_numpy(self.raw)[None]
        return (unit_range(raw, 1) if self.recipe.entry.display == "range" else unit_scale(raw))[0]

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(H, W): the pixels of the photo that the model saw."""
        return np.asarray(seen(self.placement).numpy())

    @property
    def has_peak(self) -> bool:
        """Whether the map is above zero anywhere; where it is not, its peak and its boxes mean nothing."""
        return self._highest[0] > 0

    @cached_property
    def _highest(self) -> tuple[float, tuple[int, int]]:
        return highest(self._shown, self.placement)

    @property
    def peak(self) -> tuple[int, int]:
        """(x, y) of the map's highest pixel, the first one in reading order among equals."""
        return self._highest[1]

    def boxes(self, **how: Any) -> "list[Box]":
        """Around what lights up: (x0, y0, x1, y1) in pixels of the photo, half-open; none where nothing does.

        how: threshold=0.3, pick="largest", refine="grabcut", … of `heatlens.localize.search`.
        """
        from ..localize import search

        return search(self.map, self.photo.pixels, self.seen, **how)

    def findings(self, *, min_probability: float | None = None, **how: Any) -> "list[Finding]":
        """The boxes, each with its class and how sure the model is of it; none of a class that is hardly in the photo.

        min_probability: of the class; None: `localize.LEAST_PROBABLE`.  Targets without a probability are always found.
        how: as for `boxes`.
        """
        from ..localize import LEAST_PROBABLE, Finding

        def strongest(x0: float, y0: float, x1: float, y1: float) -> float:
            return float(self.map[int(y0) : int(y1), int(x0) : int(x1)].max())

        found, likely = self.boxes(**how), self.probability
        if likely is not None and likely < (LEAST_PROBABLE if min_probability is None else min_probability):
            return []
        score = self.score if likely is None else likely
        return [Finding(box, self.name, self.index, score, likely, strongest(*box)) for box in found]

    def points(self, **how: Any) -> list[tuple[int, int]]:
        """(x, y) of the map's local maxima, the peak first.  how: count, distance, threshold of `find_points`."""
        from ..localize import find_points

        return find_points(self.map, seen=self.seen, **how)

    def mask(self, **how: Any) -> NDArray[np.bool_]:
        """(H, W) of the photo: what lights up.  how: threshold=0.3, refine="grabcut" of `heatlens.localize`."""
        from ..localize import find_mask

        return find_mask(self.map, self.photo.pixels, self.seen, **how)

    def overlay(self, **look: Any) -> Image.Image:
        """The map on the photo.  look: alpha, cmap, contour, blend, peak=True, boxes=True, … of `images.overlay`."""
        if look.get("peak") is True:
            look["peak"] = self.peak if self.has_peak else None
        if look.get("boxes") is True:
            look["boxes"] = self.boxes()
        if is_large(self.photo.pixels, look.get("side")):
            look = {"signed": self.signed, **look}
            return overlay_small(self.photo.pixels, self._shown, self.placement, **look)
        return overlay(self.photo.pixels, self.map, **{"seen": self.seen, "signed": self.signed, **look})

    def picture(self, *, title: str | None = None, **look: Any) -> Image.Image:
        """The overlay with its label (`labelled`) and a colour bar, as large as the photo within reason."""
        side = min(max(self.photo.width, self.photo.height, _SIDES[0]), _SIDES[1])
        bar = colour_bar(cmap=look.get("cmap"), signed=self.signed, side=side)
        return grid([(self.overlay(**{"side": side, **look}), *self.labelled(title))], side=side, bar=bar)

    def labelled(self, title: str | None = None) -> tuple[str, str]:
        """Title and subtitle of its picture.  title: instead of the class, {target}, {probability}, … filled in."""
        return caption(title, self.name, self.probability, self.score, self.recipe, self.model, self.photo.name)

    @property
    def label(self) -> tuple[str, str]:
        return self.labelled()

    def record(self) -> dict[str, object]:
        """What `explanations.json` holds of it."""
        return {
            "photo": str(self.photo.path or self.photo.name),
            "model": self.model,
            "method": self.method,
            "recipe": recipe_in_full(self.recipe),
            "settings": dict(self.recipe.settings),
            "layers": list(self.recipe.layers),
            "target": {"index": self.index, "name": self.name},
            "score": self.score,
            "probability": self.probability,
            "peak": list(self.peak) if self.has_peak else None,
            "files": [],
            "warnings": list(self.warnings),
        }

    def save(self, path: str | Path, *, overwrite: bool = False, **look: Any) -> Path:
        """Write the labelled picture (.png, .jpg, .webp), the map (.npy) or the record (.json), whole or not at all.

        A file that is there and holds something else stays, unless `overwrite`: `FileThere`.  look: as for `overlay`.
        """
        match Path(path).suffix.lower():
            case ".npy":
                return save_array(path, self.map, overwrite=overwrite)
            case ".json":
                return save_json(path, self._record_beside(Path(path)), overwrite=overwrite)
            case ".png" | ".jpg" | ".jpeg" | ".webp" | ".tif" | ".tiff":
                return save_image(path, self.picture(**look), overwrite=overwrite)
        raise BadValue(f"a file named {str(path)!r}", "an ending of .png, .jpg, .webp, .npy or .json")

    def _record_beside(self, path: Path) -> dict[str, object]:
        """The record with the photo's path as it is found from the record's folder."""
        photo = self.photo.path
        return self.record() | ({} if photo is None else {"photo": relative(photo, path.parent)})

    def __repr__(self) -> str:
        likely = "" if self.probability is None else f", probability {self.probability:.3f}"
        return f"Explanation({self.photo.name}: {self.name!r}{likely}, {self.method}, peak {self.peak})"

    def _repr_png_(self) -> bytes:
        memory = BytesIO()
        self.picture().save(memory, "PNG")
        return memory.getvalue()
