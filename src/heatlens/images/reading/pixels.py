"""Numbers of any kind become 8-bit RGB pixels: bit depths, transparency, arrays and tensors."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...words.errors import BadPhoto

Pixels = NDArray[np.uint8]
"""(height, width, 3) RGB, or RGBA where a picture has transparency."""

_ROUND_OFF = 1e-3
"""How far a resampled float picture may stray from [0, 1]."""


_STRIP = 2**22
"""Pixels that are converted at a time, so that a large picture is never held in a wider form."""


def to_rgb(image: Image.Image, what: str) -> Pixels:
    """A PIL image of any mode as RGB pixels, RGBA if it has transparency; 16, 32 bits scaled down, never clipped."""
    if image.mode.startswith("I") or image.mode == "F":
        return _rgb(_eight_bits(_deep(image), what))
    clear = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if clear else "RGB"
    pixels = np.empty((image.height, image.width, len(mode)), np.uint8)
    for rows in strips(image.height, image.width):
        part = image.crop((0, rows.start, image.width, rows.stop))
        part.info = image.info
        pixels[rows] = np.asarray(part.convert(mode))
    return pixels


def strips(height: int, width: int) -> Iterator[slice]:
    """The rows of a picture, a few million pixels at a time."""
    step = max(_STRIP // max(width, 1), 1)
    for begin in range(0, height, step):
        yield slice(begin, min(begin + step, height))


def from_array(array: NDArray[np.generic]) -> Pixels:
    """Pixels of (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8, uint16, or floats in [0, 1]."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        raise BadPhoto(
            f"An array of shape {array.shape} is no photo",
            "Expected (height, width), or (height, width, channels) with 1, 3 or 4 channels",
            "Put the channels last: array.transpose(1, 2, 0)" if first else "Pass one photo at a time",
        )
    return _pixels(array)


def from_tensor(tensor: Tensor) -> Pixels:
    """Pixels of (H, W), (1, H, W), (3, H, W) or (4, H, W); uint8, uint16, or floats in [0, 1]."""
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[0] not in (1, 3, 4)):
        last = tensor.ndim == 3 and tensor.shape[2] in (1, 3, 4)
        raise BadPhoto(
            f"A tensor of shape {tuple(tensor.shape)} is no photo",
            "Expected (height, width), or (channels, height, width) with 1, 3 or 4 channels",
            "Put the channels first: tensor.permute(2, 0, 1)" if last else "Pass one photo at a time",
        )
    whole = tensor.detach().cpu()
    array = (whole.float() if whole.is_floating_point() else whole).numpy()
    return _pixels(array if array.ndim == 2 else array.transpose(1, 2, 0))


def _pixels(array: NDArray[np.generic]) -> Pixels:
    if not array.size:
        raise BadPhoto(f"An array of shape {array.shape} has no pixels", "Expected a photo")
    eight = _eight_bits(array, "the array")
    if eight.ndim == 3 and eight.shape[2] == 4:
        return np.array(eight, order="C")
    return _rgb(eight if eight.ndim == 2 or eight.shape[2] == 3 else eight[..., 0])


def _rgb(eight: Pixels) -> Pixels:
    """A copy with three channels, which may be made read-only without touching the caller's array."""
    return np.array(np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight, order="C")


def on_white(rgba: Pixels) -> Pixels:
    """What is transparent, white."""
    white = np.empty((*rgba.shape[:2], 3), np.uint8)
    for rows in strips(*rgba.shape[:2]):
        colour, opacity = rgba[rows, :, :3].astype(np.uint32), rgba[rows, :, 3:].astype(np.uint32)
        white[rows] = (colour * opacity + 255 * (255 - opacity) + 127) // 255
    return white


def _deep(image: Image.Image) -> NDArray[np.generic]:
    """The numbers of a 16-bit, 32-bit or float image."""
    array = np.array(image)
    if image.mode != "I":
        return array.astype(np.float32 if image.mode == "F" else np.uint16, copy=False)
    if array.min() < 0 or array.max() > 65535:  # a true 32-bit picture, its range is its own
        low, high = int(array.min()), int(array.max())
        unit = np.empty(array.shape, np.float32)
        for rows in strips(*array.shape[:2]):
            unit[rows] = (array[rows].astype(np.float64) - low) / max(high - low, 1)
        return unit
    return array.astype(np.uint16)  # Pillow's usual home for 16 bits


def _eight_bits(array: NDArray[np.generic], what: str) -> Pixels:
    if array.dtype == np.uint8:
        return array.astype(np.uint8)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # in either byte order
        eight = np.empty(array.shape, np.uint8)
        for rows in strips(*array.shape[:2]):
            eight[rows] = (array[rows].astype(np.uint32) + 128) // 257
        return eight
    if np.issubdtype(array.dtype, np.floating):
        return _from_unit(array, what)
    raise BadPhoto(
        f"{what} holds {array.dtype} numbers",
        "Expected uint8 (0 to 255), uint16 (0 to 65535), or floats in [0, 1]",
        "Convert it, for example with .astype('uint8')",
    )


def _from_unit(array: NDArray[np.generic], what: str) -> Pixels:
    if not all(np.isfinite(array[rows]).all() for rows in strips(*array.shape[:2])):
        raise BadPhoto(f"{what} contains NaN or infinity", "Expected floats in [0, 1]", "Replace them first")
    low, high = float(array.min()), float(array.max())
    if low < -_ROUND_OFF or high > 1 + _ROUND_OFF:
        raise BadPhoto(
            f"{what} holds floats from {low:.4g} to {high:.4g}", "Expected floats in [0, 1]", _advice(low, high)
        )
    eight = np.empty(array.shape, np.uint8)
    for rows in strips(*array.shape[:2]):
        eight[rows] = (array[rows].astype(np.float64).clip(0, 1) * 255).round()
    return eight


def _advice(low: float, high: float) -> str:
    if low < -_ROUND_OFF:
        return "It looks normalised: undo the mean and the standard deviation, or pass the photo itself"
    return "Divide it by 255" if high <= 255 else "Divide it by its largest possible value"
