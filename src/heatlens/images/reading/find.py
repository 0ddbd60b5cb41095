"""Which photos a person means by files, folders and patterns."""

import glob
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...words.errors import BadPhoto
from .kinds import ENDINGS
from .own_files import made_here
from .read import URL, Photo


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


def sources_of(photos: Any) -> tuple[list[Any], bool]:
    """What a person names by one thing or several, each of which can be read as a photo; and whether it is several.

    Several are a list or whatever else can be gone through, a folder, and a pattern that is no file's name; folders and
    patterns may be in a list too.  One among several that names nothing stays, so that reading it says so.
    """
    if isinstance(photos, str | os.PathLike):
        several = _is_several(photos)
        return ([*find_photos(photos)] if several else [photos]), several
    if isinstance(photos, _ONE) or not isinstance(photos, Iterable):
        return [photos], False
    return [source for one in photos for source in _each(one)], True


_ONE = (bytes, io.IOBase, np.ndarray, Tensor, Photo, Mapping)
"""What is one photo, or a mistake, although it can be gone through; PIL's images cannot."""


def _each(source: Any) -> list[Any]:
    """The photos of a folder or pattern among others; anything else as it is."""
    if not isinstance(source, str | os.PathLike) or not _is_several(source):
        return [source]
    return [*_meant(os.fspath(source))] or [source]


def _is_several(source: str | os.PathLike[str]) -> bool:
    path = os.path.expanduser(os.fspath(source))
    return os.path.isdir(path) or (glob.has_magic(path) and not os.path.exists(path) and not URL.match(path))


def _meant(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if os.path.isdir(path):  # unlike Path's, never raises
        try:
            return _photos(path.iterdir())
        except OSError:
            return [path]  # reading it says so
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
