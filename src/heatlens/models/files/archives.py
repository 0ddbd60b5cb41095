"""Zip archives of models, read by one reader only: what was checked is what is used, never a twin of that name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, is_zipfile

from ...words.errors import ModelUnavailable
from ...words.limits import limit, raised_by

_SMALL = 2**24
"""Bytes below which a high ratio is no danger."""


class Archive:
    """The members of a zip file under their names without the folder that all of them lie in."""

    def __init__(self, packed: ZipFile, name: str) -> None:
        self.name, self._packed = name, packed
        self.sizes: dict[str, int] = {}
        self._whole: dict[str, str] = {}
        for info in packed.infolist():
            self.sizes[inner := info.filename.partition("/")[2]] = info.file_size
            self._whole[inner] = info.filename

    def read(self, member: str) -> bytes:
        """A member's bytes, its checksum verified.  Raises `ModelUnavailable` where it is absent or damaged."""
        if member not in self._whole:
            raise ModelUnavailable(f"{self.name} has no {member}", "a whole file")
        try:
            return self._packed.read(self._whole[member])
        except (BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
            raise ModelUnavailable(f"{self.name} is damaged in {member}: {error}", "an undamaged file") from None

    def text(self, member: str) -> bytes:
        """The bytes of a member that is read as text, which is never long."""
        at_most("HEATLENS_MAX_TEXT_BYTES", self.sizes.get(member, 0), f"{member} of {self.name} has {{}} bytes")
        return self.read(member)


@contextmanager
def opened(file: Path) -> Iterator[Archive]:
    """A zip file whose members have one meaning each and sizes within the limits; else `ModelUnavailable`."""
    with file.open("rb") as stream:
        try:
            packed = ZipFile(stream)
        except (BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            raise ModelUnavailable(f"{file.name} cannot be read: {error}", "an undamaged file") from None
        _check(packed, file.name)
        yield Archive(packed, file.name)


def check_sizes(file: Path) -> None:
    """That a file, and what it unpacks to if it is a zip, is within the limits."""
    at_most("HEATLENS_MAX_MODEL_BYTES", file.stat().st_size, f"{file.name} has {{}} bytes")
    with file.open("rb") as stream:
        if _begins_as_zip(stream) and is_zipfile(stream):
            with opened(file):
                return


def at_most(name: str, value: int, said: str) -> None:
    """Raise `ModelUnavailable` for a value above a limit; `said` with {} for the value is what was found."""
    if value > limit(name):
        raise ModelUnavailable(said.format(f"{value:,}"), f"at most {limit(name):,}", raised_by(name))


def _begins_as_zip(stream: IO[bytes]) -> bool:
    begin = stream.read(4)
    stream.seek(0)
    return begin == b"PK\x03\x04"


def _check(packed: ZipFile, name: str) -> None:
    found = packed.infolist()
    at_most("HEATLENS_MAX_ARCHIVE_MEMBERS", len(found), f"{name} has {{}} members")
    at_most("HEATLENS_MAX_MODEL_BYTES", sum(info.file_size for info in found), f"{name} unpacks to {{}} bytes")
    seen: set[str] = set()
    folders = {info.filename.partition("/")[0].lower() for info in found}
    for info in found:
        plain = info.filename.isprintable() and "\\" not in info.filename and not info.flag_bits & 1
        if not plain or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or len(folders) > 1:
            raise ModelUnavailable(
                f"{name} holds {info.filename!r}, which torch did not write", "one folder of plain members"
            )
        if info.filename.lower() in seen:  # torch's reader tells no capitals, and takes another twin than Python's
            raise ModelUnavailable(f"{name} holds two members called {info.filename!r}", "each name once")
        seen.add(info.filename.lower())
        if info.file_size > _SMALL:
            ratio = info.file_size // max(info.compress_size, 1)
            at_most("HEATLENS_MAX_ARCHIVE_RATIO", ratio, f"{info.filename} of {name} unpacks to {{}} times its size")
