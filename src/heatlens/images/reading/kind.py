"""What a kind of picture file is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from .pixels import Pixels


@dataclass(frozen=True)
class PictureKind:
    """A kind of file that holds a photo."""

    endings: tuple[str, ...]
    """How its files are called, with the dot, in small letters: what counts as a photo in a folder."""
    begins: Callable[[bytes], bool]
    """Whether a file that begins with these bytes, up to 16, is of this kind."""
    decode: Callable[[BinaryIO, str], Pixels]
    """The upright pixels of a file; the text names it in errors.  Raises `BadPhoto`."""
    last: bool = False
    """Whether it is tried after all others."""
