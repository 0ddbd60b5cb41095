"""The kinds of targets that name no class, as a person writes them."""

from ..words.errors import BadValue
from .kind import Asked, Kind
from .outputs import Target
from .values import Value


def _value(asked: Asked) -> Value:
    return Value(asked.which()[0] or 0, **asked.settings(Value))


def _similar(asked: Asked) -> Target:
    """Only a model says what is like what; `Subject.target` asks it."""
    raise BadValue(f"similar:{asked.text}", "the file of a photo, or a text and a model that reads")


VALUE = Kind(
    "value",
    "a number that the model estimates: up, toward=down, or near=3.5 (regression)",
    _value,
    "value:OUTPUT",
    True,
)
SIMILAR = Kind(
    "similar",
    "the likeness to another photo, or to a text for models that read (CLIP)",
    _similar,
    "similar:FILE or similar:TEXT",
)
