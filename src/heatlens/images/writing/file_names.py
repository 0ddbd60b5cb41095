"""File names out of any words."""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}
"""Names that Windows keeps for devices."""


def safe_name(text: str, limit: int = 100) -> str:
    """A file name (without ending) for any words: letters of every script, digits and `. - + _` stay, runs of anything
    else become `_`; at most `limit` bytes in UTF-8, never empty, never hidden."""
    kept = "".join(c if _kept(c) else " " for c in unicodedata.normalize("NFC", text))
    name = _cut("_".join(kept.split()).lstrip("._-"), limit).rstrip("._")
    if not name:
        return "unnamed"
    return f"{name}_" if name.split(".")[0].lower() in _RESERVED else name


def unique_names(texts: Iterable[str], limit: int = 100, *, taken: Iterable[str] = ()) -> list[str]:
    """`safe_name` of every text, in order, with -2, -3 … where names would fall together, or with those `taken` (also
    on file systems that do not tell capitals apart)."""
    known = {name.casefold() for name in taken}
    names = []
    for text in texts:
        name, count = safe_name(text, limit), 1
        while name.casefold() in known:
            count += 1
            tail = f"-{count}"
            name = safe_name(text, limit - len(tail)) + tail
        known.add(name.casefold())
        names.append(name)
    return names


def relative(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """A path as it is found from a folder, wherever the program runs; absolute where there is no such way."""
    there = os.path.abspath(os.path.expanduser(path))
    try:
        return Path(os.path.relpath(there, os.path.realpath(os.path.expanduser(folder)))).as_posix()
    except ValueError:  # another drive
        return Path(there).as_posix()


def _kept(character: str) -> bool:
    return character.isalnum() or character in ".-+_" or unicodedata.category(character).startswith("M")


def _cut(text: str, limit: int) -> str:
    """As many whole letters as fit in `limit` bytes."""
    return text.encode()[:limit].decode(errors="ignore")
