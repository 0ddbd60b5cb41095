"""Averages: the same question asked of several versions of a picture, the answers put back and averaged."""

from dataclasses import fields
from types import MappingProxyType
from typing import Any

from ..converting import convert
from ..errors import BadValue, unknown
from ..registry import spelling
from ..wording import read_request
from .crops import Crops
from .kinds import Flips, Noise, Path, Scales
from .views import Average, Views

__all__ = ["AVERAGES", "Average", "Crops", "Flips", "Noise", "Path", "Scales", "Views", "find_average"]

AVERAGES: MappingProxyType[str, type[Any]] = MappingProxyType(
    {"flips": Flips, "noise": Noise, "path": Path, "scales": Scales, "crops": Crops}
)


def find_average(spec: "str | Average | None") -> "Average | None":
    """An average from its words, such as "flips", "noise:samples=8,sigma=0.2" or "scales:factors=1+1.5+2"."""
    if spec is None or isinstance(spec, Average):
        return spec
    if not isinstance(spec, str):
        raise BadValue(f"the average {spec!r}", f"one of {', '.join(AVERAGES)}, or an average")
    name, words = read_request(spec)
    kinds = {spelling(known): kind for known, kind in AVERAGES.items()}
    if spelling(name) not in kinds:
        raise unknown("average", name, AVERAGES)
    kind = kinds[spelling(name)]
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for key, value in words.items():
        if key not in known:
            raise unknown("setting", key, known, owner=f"the average {name}")
        given[key] = convert(key, value, known[key].type, known[key].default)
    average: Average = kind(**given)
    return average
