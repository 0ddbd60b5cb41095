"""A Parquet file with a checksum of all of it: between the last page and the footer, where readers do not look."""

import hashlib
from functools import lru_cache
from pathlib import Path

_MARK = b"heatlens sha256 "
_LENGTH = len(_MARK) + 32


def sealed(content: bytes) -> bytes:
    """The file with its checksum in it."""
    at = _footer(content)
    return content[:at] + _MARK + hashlib.sha256(content).digest() + content[at:]


def check_seal(part: Path) -> None:
    """Raise ValueError where a file is not what was written; one without a checksum is left to its pages'."""
    found = part.stat()
    _check(part, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _check(part: Path, size: int, modified: int) -> None:
    content = part.read_bytes()
    at = _footer(content)
    seal = content[max(at - _LENGTH, 0) : at]
    if seal.startswith(_MARK) and seal[len(_MARK) :] != hashlib.sha256(content[: at - _LENGTH] + content[at:]).digest():
        raise ValueError("its checksum is another")


def _footer(content: bytes) -> int:
    """Where the footer begins: it is followed by its length in four bytes, and PAR1."""
    at = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    if content[-4:] != b"PAR1" or at < 4:
        raise ValueError("it does not end as a Parquet file")
    return at
