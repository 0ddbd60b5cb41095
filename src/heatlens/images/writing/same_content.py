"""Whether a file holds what is about to be written: the same to the rounding of another batch or another processor."""

import io
import re
from math import isclose
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

_LEVELS = 8
"""Of 255: what rounding does to a colour."""
_SHARE = 1e-3
"""What rounding does to a map, a score or a probability."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def alike(path: Path, data: bytes) -> bool:
    """Whether a file and the bytes of a file of its kind say the same: pictures, arrays, texts with numbers."""
    there = path.read_bytes()
    if there == data:
        return True
    try:
        match path.suffix.lower():
            case ".npy":
                return _near(_array(there), _array(data), _SHARE)
            case ".png" | ".jpg" | ".jpeg" | ".webp" | ".tif" | ".tiff":
                return _near(_pixels(there), _pixels(data), _LEVELS)
            case ".json" | ".xml":
                return _NUMBER.split(there) == _NUMBER.split(data) and all(
                    map(_same, _NUMBER.findall(there), _NUMBER.findall(data))
                )
    except (OSError, ValueError, UnidentifiedImageError):  # something else under this name
        return False
    return False


def _array(file: bytes) -> np.ndarray:
    found: np.ndarray = np.load(io.BytesIO(file), allow_pickle=False)
    return found


def _pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file))).astype(int)


def _near(one: np.ndarray, other: np.ndarray, limit: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) <= limit)


def _same(one: bytes, other: bytes) -> bool:
    """Whole numbers, such as places and classes, are exact; others are rounded."""
    return one == other or (b"." in one and isclose(float(one), float(other), rel_tol=_SHARE, abs_tol=_SHARE))
