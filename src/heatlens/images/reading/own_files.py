"""Which files heatlens made itself, so that it never takes its pictures for photos."""

import os
from pathlib import Path

from ...words.wording import MARK

_HEAD, _TAIL = 1024, 256
"""The bytes at either end of a file among which it stands."""


def made_here(path: str | os.PathLike[str]) -> bool:
    """Whether a file bears the mark; one that cannot be read does not."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
            file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            return MARK.encode() in head or MARK.encode() in file.read()
    except (OSError, ValueError):
        return False
