"""Maps from files: what other programs, or heatlens itself, wrote as arrays or grey pictures."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...words.errors import BadPhoto
from ...words.npy_files import read_npy
from .decode import check_size
from .read import read_photo


def read_map(path: str | os.PathLike[str]) -> NDArray[np.float32] | NDArray[np.uint8]:
    """A map (H, W): the numbers of a .npy file as float32, the levels of a grey picture as uint8.  Raises BadPhoto."""
    file = Path(path).expanduser()
    if file.suffix.lower() != ".npy":
        pixels = read_photo(file).pixels
        if (pixels != pixels[..., :1]).any():
            raise BadPhoto(f"{file} is a picture in colours", "a grey one, its levels the map", "Give the map itself")
        return np.ascontiguousarray(pixels[..., 0])
    try:
        values = read_npy(file)
    except (OSError, ValueError) as error:
        raise BadPhoto(f"{file} cannot be read: {error}", "an array (height, width)") from None
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiub":
        raise BadPhoto(f"{file} holds no map", "an array of numbers (height, width)")
    check_size("HEATLENS_MAX_PHOTO_PIXELS", values.size, f"{file} has {{}} pixels")
    if not np.isfinite(found := values.astype(np.float32)).all():
        raise BadPhoto(f"{file} contains NaN or infinity", "finite numbers")
    return found
