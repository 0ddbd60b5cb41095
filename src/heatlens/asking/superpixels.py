"""The superpixels that LIME shows and hides, on the photo: their numbers, and a picture of their borders."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ..images import Photo, read_photo
from ..methods.lime import segmented
from ..models import Subject, subject_of
from ..words.bounds import at_least
from ..words.optional import require


@dataclass(frozen=True, eq=False)
class Superpixels:
    """Regions of a photo that are shown or hidden as a whole."""

    photo: Photo
    labels: NDArray[np.int64]
    """(H, W) on the photo's own pixels: the number of each one's superpixel, from 0; -1 where the model sees none."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.labels.max()) + 1

    def picture(self, colour: tuple[int, int, int] = (255, 255, 0)) -> Image.Image:
        """The photo with the borders of its superpixels, as large as the photo, as scikit-image draws them."""
        shares = tuple(level / 255 for level in colour)
        drawn = require("skimage.segmentation").mark_boundaries(self.photo.pixels, self.labels + 1, color=shares)
        return Image.fromarray((drawn * 255).round().astype(np.uint8))


def superpixels(model: str | nn.Module | Subject, photo: Any, count: int = 50) -> Superpixels:
    """The superpixels that the method `lime` with superpixels=count works with for a photo."""
    at_least(1, count=count)
    subject, shown = subject_of(model), read_photo(photo)
    images, placement = subject.prepare(shown)
    labels = segmented(images[0], count).cpu().numpy()
    at = [torch.floor(placement.centres(axis)).long().numpy() for axis in (0, 1)]
    seen = [(a >= 0) & (a < side) for a, side in zip(at, placement.input_size, strict=True)]
    inside = [a.clip(0, side - 1) for a, side in zip(at, placement.input_size, strict=True)]
    return Superpixels(shown, np.where(seen[0][:, None] & seen[1], labels[np.ix_(*inside)], -1))
