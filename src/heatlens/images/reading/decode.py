"""Encoded photos become pixels: which formats are tried, how large they may be, and what damage looks like."""

import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from ...words.errors import BadPhoto
from ...words.limits import limit, raised_by
from .kind import PictureKind
from .pixels import Pixels, to_rgb

_DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "HEIF", "JPEG2000", "PPM", "MPO")
"""What is tried, whatever a file is called: Pillow hands drawings to other programs, and rare readers raise oddly."""
_DRAWINGS = {
    b"%!PS": "EPS", b"\xc5\xd0\xd3\xc6": "EPS", b"\xd7\xcd\xc6\x9a": "WMF", b"\x01\0\0\0": "EMF", b"<svg": "SVG",
    b"%PDF": "PDF", b"8BPS": "PSD",
}  # fmt: skip
"""How drawings and documents begin."""
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p[::-1].transpose(1, 0, 2),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: p[:, ::-1].transpose(1, 0, 2),
}
"""EXIF's orientations, as views of the pixels."""


def decoded(file: BinaryIO, what: str) -> Pixels:
    """The pixels of an encoded photo, by Pillow; `what` names it in errors."""
    begin = file.read(4)
    file.seek(0)
    return pixels_of(_identified(file, what, begin), what)


def _identified(file: BinaryIO, what: str, begin: bytes) -> Image.Image:
    """The picture, its pixels not yet unpacked."""
    Image.init()
    try:
        return Image.open(file, formats=[word for word in _FORMATS if word in Image.OPEN])
    except UnidentifiedImageError:
        drawing = f"a drawing ({_DRAWINGS[begin]})" if begin in _DRAWINGS else "not a photo that can be read"
        raise BadPhoto(
            f"{what} is {drawing}",
            "Expected JPEG, PNG, WebP, GIF, TIFF, BMP …",
            "Convert it to JPEG or PNG",
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb(what) from None
    except _DAMAGE as error:
        raise _damaged(what, error) from None


def pixels_of(image: Image.Image, what: str) -> Pixels:
    """The upright pixels of a picture that is open; `what` names it in errors."""
    share = 2 if image.format == "WEBP" else 1  # whose decoder holds the picture several times
    check_size("HEATLENS_MAX_PHOTO_PIXELS", image.width * image.height, f"{what} has {{}} pixels", share)
    try:
        image.load()
        turn = _orientation(image)
        pixels = to_rgb(image, what)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb(what) from None
    except _DAMAGE as error:
        raise _damaged(what, error) from None
    if not pixels.size:
        raise BadPhoto(f"{what} has no pixels: {image.width} x {image.height}", "Expected a photo")
    del image
    return _TURNS[turn](pixels) if turn in _TURNS else pixels


def _orientation(image: Image.Image) -> int:
    """How EXIF says that the photo is turned; unreadable EXIF says nothing, and the pixels are still good."""
    try:
        said = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return said if isinstance(said, int) else 1


def check_size(name: str, value: int, said: str, share: int = 1) -> None:
    """Raise what is larger than a limit; `said` holds a place for the value."""
    if value > (most := limit(name) // share):
        raise BadPhoto(said.format(f"{value:,}"), f"Expected at most {most:,}", raised_by(name))


def _bomb(what: str) -> BadPhoto:
    most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return BadPhoto(
        f"{what} unpacks to an enormous picture",
        f"Expected at most {most / 1e6:.0f} million pixels",
        "Reduce it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it",
    )


def _damaged(what: str, error: Exception) -> BadPhoto:
    return BadPhoto(f"{what} is damaged: {error}", "Expected a whole photo", "Copy or download it again")


_ENDINGS = "jpg jpeg jpe jfif png apng gif bmp dib webp avif heic heif tif tiff jp2 ppm pgm pbm pnm"
ENCODED = PictureKind(tuple(f".{ending}" for ending in _ENDINGS.split()), lambda begin: True, decoded, last=True)
"""Whatever Pillow reads, of the formats that are tried."""
