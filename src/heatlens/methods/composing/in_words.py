"""A composition in words: `compose:weight=gradient,score=masked,top=0.1`."""

import inspect
from functools import cache

from ...words.converting import convert
from ...words.errors import unknown
from ...words.signature import Entry
from ...words.wording import read_request
from .building import compose


@cache
def find_composition(text: str) -> Entry:
    """The method that is composed of these parts; the same text is the same method.  Raises UnknownName, BadValue."""
    known = inspect.signature(compose).parameters
    parts = {}
    for key, value in read_request(text)[1].items():
        if key not in known:
            raise unknown("part", key, known, owner="a composition")
        parts[key] = convert(key, value, known[key].annotation, known[key].default)
    said = ",".join(f"{key}={value}" for key, value in parts.items())
    return Entry(f"compose:{said}" if said else "compose", compose(**parts), signed=not parts.get("rectify", True))
