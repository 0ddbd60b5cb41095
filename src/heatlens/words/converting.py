"""Settings in the types that they were declared with; text (from a command line) is converted."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args, get_origin

from .errors import BadSetting


def convert(key: str, value: Any, annotation: Any, default: Any) -> Any:
    """`value` as the type that a setting was declared with."""
    if get_origin(annotation) is Literal:
        if value not in get_args(annotation):
            raise BadSetting(f"the setting {key}={value!r}", f"one of {', '.join(map(repr, get_args(annotation)))}")
        return value
    if get_origin(annotation) is tuple:
        several = _PLUS.split(value) if isinstance(value, str) else value if isinstance(value, Iterable) else (value,)
        return tuple(convert(key, one, get_args(annotation)[0], None) for one in several)
    kinds = get_args(annotation) or (annotation,)
    if type(None) in kinds and (value is None or value == "none"):
        return None
    kind = next(t for t in kinds if t is not type(None))
    try:
        return _CONVERT.get(kind, lambda given: given)(value)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise BadSetting(f"the setting {key}={value!r}", f"a value of type {kind.__name__}") from None


def _bool(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return words[str(value).lower()]


def _int(value: Any) -> int:
    whole = int(value)
    if isinstance(value, float) and whole != value:
        raise ValueError(value)
    return whole


_PLUS = re.compile(r"(?<![eE])\+")
"""Between the numbers of a list in words; not the plus of an exponent."""
_CONVERT: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: float, str: str}
