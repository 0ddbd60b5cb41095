"""What a person says about a model instead of what its library declares, in the form that subjects hold it."""

from collections.abc import Callable
from dataclasses import replace
from operator import index
from typing import Any

from ...images import Preprocessing
from ...targets import SCORES
from ...words.errors import BadValue
from ..reading.layouts import Reading
from .channel_numbers import for_channels

_PREPROCESSING = ("mean", "std", "size", "resize", "interpolation", "shorter_side", "transparency", "channels")
_READING = ("prefix_tokens", "grid", "patch", "channels_last", "axes", "time_last")
_MEANING = ("output", "scores")
OVERRIDES = (*_PREPROCESSING, *_READING, *_MEANING, "classes", "layers")
"""What a person may say about a model instead of what its library declares."""


def is_override(key: str, value: object) -> bool:
    """Whether a person says something about the model, not to its constructor, where `channels` may be numbers."""
    return key in OVERRIDES and (key != "channels" or value is None or isinstance(value, str))


def preprocessing_said(given: dict[str, Any], declared: Preprocessing) -> dict[str, Any]:
    """Fields of `Preprocessing`, where a library declares others."""
    colours = 1 if given.get("channels", declared.channels) == "L" else 3
    shown = {key: _numbers(key, given[key], colours) for key in _PREPROCESSING if key in given}
    for key in ("mean", "std"):
        if key not in shown and len(getattr(declared, key)) != colours:
            shown[key] = for_channels(getattr(declared, key), colours)
    if "size" in shown and "shorter_side" not in shown:
        shown["shorter_side"] = None
    if "resize" in shown:
        shown["cut"] = None
    return shown


def reading_said(given: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """Fields of `Reading`."""
    read = {key: _numbers(key, given[key], 0) for key in _READING if key in given}
    meant = {key: given[key] for key in _MEANING if key in given}
    return {**read, "outputs": replace(reading.outputs, **_meaning(**meant))} if meant else read


def _meaning(output: Any = None, scores: Any = None) -> dict[str, Any]:
    if scores is not None and scores not in SCORES:
        raise BadValue(f"scores={scores!r}", "; ".join(f"{word!r}: {what}" for word, what in SCORES.items()))
    if output is not None and (isinstance(output, bool) or not isinstance(output, int | str)):
        raise BadValue(f"output={output!r}", "the place of one of the model's outputs, or its name")
    return {key: value for key, value in {"output": output, "scores": scores}.items() if value is not None}


def _numbers(key: str, value: Any, colours: int) -> Any:
    """One number stands for all channels or both sides."""
    if key not in ("mean", "std", "size", "grid", "patch"):
        return value
    channels = key in ("mean", "std")
    kind: Callable[[Any], float] = float if channels else index
    try:
        found = (kind(value),) if isinstance(value, int | float) else tuple(kind(v) for v in value)
    except (TypeError, ValueError):
        raise BadValue(f"{key}={value!r}", "a number, or a few: mean=(0.485, 0.456, 0.406), size=(224, 320)") from None
    if channels:
        return for_channels(found, colours) if len(found) == 1 else found
    return found * 2 if isinstance(value, int | float) else found
