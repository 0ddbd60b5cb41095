"""Averages: the same question asked of several versions of a picture, the answers put back and averaged.

One average, one file.  This page is the table of contents; `passes` of each is what its views cost together, in passes
of the picture at its own size.
"""

from dataclasses import fields
from typing import Any

from ...words.converting import convert
from ...words.errors import BadValue, unknown
from ...words.listing import by_name, called, of_kind
from ...words.wording import read_request
from .crops import Crops as Crops
from .flips import Flips as Flips
from .noise import Noise as Noise
from .path import Path as Path
from .scales import Scales as Scales
from .views import Average as Average
from .views import Views as Views

_KINDS = [kind for kind in of_kind(globals(), type) if hasattr(kind, "passes")]
AVERAGES = by_name(_KINDS, lambda kind: kind.__name__.lower())
"""Every average that ships, by its name."""


def find_average(spec: "str | Average | None") -> "Average | None":
    """An average from its words, such as "flips", "noise:samples=8,sigma=0.2" or "scales:factors=1+1.5+2"."""
    if spec is None or isinstance(spec, Average):
        return spec
    if not isinstance(spec, str):
        raise BadValue(f"the average {spec!r}", f"one of {', '.join(AVERAGES)}, or an average")
    name, words = read_request(spec)
    own = called(name, AVERAGES)
    if own is None:
        raise unknown("average", name, AVERAGES)
    kind = AVERAGES[own]
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for key, value in words.items():
        if key not in known:
            raise unknown("setting", key, known, owner=f"the average {name}")
        given[key] = convert(key, value, known[key].type, known[key].default)
    average: Average = kind(**given)
    return average
