"""The kinds of picture files that are read.  This page is their table of contents."""

import os
from typing import BinaryIO

from ...words.errors import BadPhoto
from ...words.listing import of_kind
from .decode import ENCODED as ENCODED
from .decode import check_size
from .kind import PictureKind
from .pixels import Pixels

KINDS = tuple(sorted(of_kind(globals(), PictureKind), key=lambda kind: kind.last))
"""Every kind, in the order in which they are tried."""
ENDINGS = frozenset(ending for kind in KINDS for ending in kind.endings)
"""What counts as a photo in a folder."""
_BEGIN = 16


def decoded(file: BinaryIO, what: str) -> Pixels:
    """The upright pixels of a file of any kind; `what` names it in errors."""
    begin = file.read(_BEGIN)
    if not begin:
        raise BadPhoto(f"{what} is empty", "Expected a photo", "Copy or download it again")
    check_size("HEATLENS_MAX_PHOTO_BYTES", file.seek(0, os.SEEK_END), f"{what} has {{}} bytes")
    file.seek(0)
    return next(kind for kind in KINDS if kind.begins(begin)).decode(file, what)
