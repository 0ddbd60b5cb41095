"""Photos from anywhere: files, bytes, PIL images, arrays and tensors become the same upright RGB pixels."""

import io
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...words.errors import BadPhoto
from ...words.wording import readable
from .decode import pixels_of
from .kinds import decoded
from .pixels import Pixels, from_array, from_tensor, on_white

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[np.generic] | Tensor

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""At least two letters before the colon, so that a Windows drive is no address."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as the person sees it: upright, RGB, at its own size."""

    pixels: Pixels
    """(height, width, 3) uint8 RGB, read-only."""
    name: str = "photo"
    """The file's name without folder and ending, or "photo"."""
    path: Path | None = None
    colours: Pixels | None = None
    """Of a photo with transparency: the colours without it, where `pixels` lays them on white."""

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    def image(self) -> Image.Image:
        """The photo as a PIL image of its own."""
        return Image.fromarray(self.pixels)


def read_photo(source: Source | Photo) -> Photo:
    """A photo from a path, the bytes of a file, an open file, a PIL image, an array or a tensor.

    Arrays are (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), tensors (H, W), (1, H, W), (3, H, W) or (4, H, W); uint8,
    uint16, or floats in [0, 1].  The EXIF orientation is applied, transparency is laid on white, 16 bits are scaled
    to 8, of an animation the first frame is taken.  Raises BadPhoto, which says what was found and what to do.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, str | os.PathLike):
        return _from_file(os.fspath(source))
    if isinstance(source, Image.Image):
        return _photo(pixels_of(source, "the image"), Path(getattr(source, "filename", None) or "photo").stem)
    return _photo(_nameless(source))


def _nameless(source: object) -> Pixels:
    """The pixels of what has no file name."""
    match source:
        case np.ndarray():
            return from_array(source)
        case Tensor():
            return from_tensor(source)
        case bytes():
            return decoded(io.BytesIO(source), "the bytes")
        case io.IOBase():
            return decoded(cast(BinaryIO, source), "the open file")
    raise BadPhoto(
        f"A photo cannot be read from a {type(source).__name__}",
        "Expected a path, bytes, a PIL image, a numpy array or a tensor",
        "Pass one photo at a time in one of these forms",
    )


def _photo(read: Pixels, name: str = "photo", path: Path | None = None) -> Photo:
    clear = read.shape[2] == 4 and bool(read[..., 3].min() < 255)
    pixels = on_white(read) if clear else np.ascontiguousarray(read[..., :3])
    colours = np.array(read[..., :3]) if clear else None
    for made in (pixels, colours):
        if made is not None:
            made.flags.writeable = False
    return Photo(pixels, readable(name), path, colours)


def _from_file(name: str) -> Photo:
    if URL.match(name):
        raise BadPhoto(f"{name} is an address on the network", "heatlens reads files", "Download it first")
    path = Path(name).expanduser()
    if os.path.isdir(path):  # unlike Path's, never raises
        if not os.access(path, os.R_OK | os.X_OK):
            raise BadPhoto(f"The folder {path} may not be read", "", "Change its permissions")
        raise BadPhoto(f"{path} is a folder", "Expected a photo", "Name a file in it")
    try:
        if path.exists() and not path.is_file():
            raise BadPhoto(f"{path} is a pipe or a device", "Expected a file", "Save it to a file first")
        with path.open("rb") as file:
            return _photo(decoded(file, str(path)), path.stem, path)
    except FileNotFoundError:
        raise BadPhoto(f"There is no file {path}", _neighbours(path), "Check the name and the folder") from None
    except PermissionError:
        raise BadPhoto(f"{path} may not be read", "", "Change its permissions, or copy it") from None
    except (OSError, ValueError) as error:  # a name too long or with a null, a device that fails
        raise BadPhoto(f"{path} cannot be opened: {error}", "Expected a photo") from None


def _neighbours(path: Path) -> str:
    try:
        names = [child.name for child in path.parent.iterdir()]
    except OSError:
        return f"Expected it in the folder {path.parent}, which does not exist either"
    close = get_close_matches(path.name, names, 3, 0.6)
    return f"Close: {', '.join(close)}" if close else ""
