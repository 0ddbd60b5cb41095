"""Which photos a person means by files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import BadPhoto
from .own import made_here
from .read import URL

_KINDS = "jpg jpeg jpe jfif png apng gif bmp dib webp avif heic heif tif tiff jp2 ppm pgm pbm pnm"
ENDINGS = frozenset(f".{kind}" for kind in _KINDS.split())
"""What counts as a photo in a folder."""


def find_photos(patterns: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> list[Path]:
    """The files meant by names, folders (the photos directly in them, sorted) and globs (`**` too), each once.

    In folders and globs pictures that heatlens made are no photos.  What is found nowhere stays in the list as it was
    written, so that reading it reports it while the rest are done.  Raises BadPhoto if nothing at all is found.
    """
    wanted = [patterns] if isinstance(patterns, str | os.PathLike) else list(patterns)
    if not wanted:
        raise BadPhoto("No photo was named", "Expected files, folders or patterns", "Name at least one")
    found = [(pattern, _meant(os.fspath(pattern))) for pattern in wanted]
    if not any(paths for _, paths in found):
        raise _nothing(os.fspath(wanted[0]), len(wanted) - 1)
    once: dict[str, Path] = {}
    for pattern, paths in found:
        for path in paths or [Path(pattern)]:
            once.setdefault(os.path.abspath(path), path)
    return list(once.values())


def _meant(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if os.path.isdir(path):  # unlike Path's, never raises
        return _photos(path.iterdir())
    if os.path.exists(path):  # before looking for wildcards: file names may contain brackets
        return [path]
    return _photos(map(Path, glob.glob(str(path), recursive=True)))


def _photos(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in ENDINGS
        and not path.name.startswith(".")
        and os.path.isfile(path)
        and not made_here(path)
    )


def _nothing(pattern: str, others: int) -> BadPhoto:
    also = f" (nor {others} more)" if others else ""
    if URL.match(pattern):
        return BadPhoto(f"{pattern} is an address on the network", "heatlens reads files", "Download it first")
    if os.path.isdir(Path(pattern).expanduser()):
        return BadPhoto(
            f"The folder {pattern} holds no photo{also}",
            "Expected .jpg, .png, .webp …, and none that heatlens made",
            "Name another folder",
        )
    return BadPhoto(
        f"No photo is found at {pattern}{also}",
        "Expected a file, a folder or a pattern of photos, and none that heatlens made",
        "Check the name",
    )
