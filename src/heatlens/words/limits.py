"""How large a file may be: every limit is stated here, and raised by an environment variable of its name."""

import os

from .errors import BadValue

LIMITS = {
    "HEATLENS_MAX_MODEL_BYTES": 32 * 2**30,
    "HEATLENS_MAX_TEXT_BYTES": 256 * 2**20,
    "HEATLENS_MAX_ARCHIVE_MEMBERS": 200_000,
    "HEATLENS_MAX_ARCHIVE_RATIO": 200,
    "HEATLENS_MAX_PARAMETERS": 1_500_000_000,
    "HEATLENS_MAX_PHOTO_BYTES": 512 * 2**20,
    "HEATLENS_MAX_PHOTO_PIXELS": 178_956_970,
    "HEATLENS_MAX_VOXELS": 2**29,
}
"""Bytes of a model file and of what its archive unpacks to; bytes of a text (a program, a config, a prototxt) in it;
members of an archive; how many times larger than packed they are; numbers that a described network would have; bytes
and pixels of a photo (as many as Pillow opens); voxels of a volume (2 GB as float32)."""


def limit(name: str) -> int:
    """A limit, as it is stated or as the environment says.  Raises `BadValue` for what is no number."""
    said = os.environ.get(name, "")
    try:
        return int(said) if said else LIMITS[name]
    except ValueError:
        raise BadValue(f"{name}={said!r}", "a whole number") from None


def raised_by(name: str) -> str:
    """What a person does who trusts the file."""
    return f"If you trust it, set {name} higher (now {limit(name)})"
