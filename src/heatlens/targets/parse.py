"""Targets as people write them: a number, a name, a wnid, `#2`, or a kind in front: `contrast:tabby`."""

from collections.abc import Callable
from dataclasses import fields, replace
from operator import index
from typing import Any

from ..words.converting import convert
from ..words.errors import BadValue, UnknownName, unknown
from ..words.wording import spelling
from .classes import ClassTarget, Contrast, Logit, Negative, Probability, Rest, Sum
from .dense import Region
from .detections import Box
from .outputs import Target
from .values import Value

Find = Callable[[str], int]
"""A class name, synonym or wnid -> its index; raises `UnknownName`."""

KINDS: dict[str, str] = {
    "logit": "the score before the softmax (default)",
    "probability": "the score after the softmax",
    "contrast": "for the class and not for similar ones (Finer-CAM)",
    "rest": "y + log p (ShapleyCAM)",
    "negative": "the evidence against the class",
    "sum": "several classes as one, joined by +",
    "region": "the class over the places where it is the strongest (segmentation)",
    "box": "one detection of the class, found again by its overlap (detection)",
    "value": "a number that the model estimates: up, toward=down, or near=3.5 (regression)",
    "similar": "the likeness to another photo, or to a text for models that read (CLIP)",
}

WRITTEN = {"sum": "sum:CLASS+CLASS", "value": "value:OUTPUT", "similar": "similar:FILE or similar:TEXT"}
"""How a kind is written, where not as `KIND:CLASS`."""
_PLACED: dict[str, type[Region | Box]] = {"region": Region, "box": Box}


def parse_target(text: Any, find: Find, usual: ClassTarget | None = None) -> Target:
    """A target from what a person gave: None, an index, text, or any callable (which is returned as it is).

    Text is `CLASS` or `KIND:CLASS` or `KIND:CLASS,setting=value,…`; CLASS is an index, a name, a synonym, a wnid, `#k`
    for the k-th prediction, or empty for the prediction.  `usual` is what is meant where no kind is named.
    """
    usual = usual or Logit()
    if text is None:
        return usual
    if isinstance(text, bool) or not (isinstance(text, int | str) or callable(text) or hasattr(text, "__index__")):
        raise BadValue(
            f"target {text!r}", "a class index or name, '#2', 'contrast:CLASS', or a function of the outputs"
        )
    if not isinstance(text, str):
        return _given(text, usual)
    kind, colon, rest = text.partition(":")
    if not colon:
        return _meant(usual, *_which(text, find))
    name, *given = rest.split(",")
    if spelling(kind) not in KINDS:
        if _is_class(text, find):
            return _meant(usual, find(text))
        raise unknown("kind of target", kind, KINDS)
    return _make(spelling(kind), name.strip(), dict(map(_pair, given)), find, usual)


def _meant(usual: ClassTarget, found: int | None, rank: int = 0) -> ClassTarget:
    """A class as this model's answers are read: a region of it, a detection of it, or its score."""
    return replace(usual, index=found, rank=rank) if isinstance(usual, Region | Box) else Logit(found, rank)


def _given(value: Any, usual: ClassTarget) -> Target:
    try:
        target: Target = value if callable(value) else _meant(usual, index(value))
    except TypeError:
        raise BadValue(f"target {value!r}", "one class index, or a list with one target per image") from None
    return target


def _make(kind: str, name: str, given: dict[str, str], find: Find, usual: ClassTarget) -> ClassTarget:
    if kind == "contrast":
        own = _settings(kind, given, Contrast, find)
        return Contrast(*_which(name, find), **own)
    if kind in ("region", "box"):
        start = usual if isinstance(usual, _PLACED[kind]) else _PLACED[kind]()
        found, rank = _which_one(name, find)
        return replace(start, index=found, rank=rank, **_settings(kind, given, _PLACED[kind], find))
    if kind == "value":
        found, _ = _which(name, find)
        return Value(found or 0, **_settings(kind, given, Value, find))
    if given:
        raise BadValue(f"{kind} with {', '.join(given)}", f"no settings: {kind} has none", f"write {kind}:{name}")
    if kind == "similar":
        raise BadValue(f"similar:{name}", "the file of a photo, or a text and a model that reads")
    if kind == "sum":
        return Sum(tuple(_meant(usual, *_which(part, find)) for part in name.split("+")))
    if kind == "negative":
        return Negative(_meant(usual, *_which(name, find)))
    one_class: dict[str, type[Logit | Probability | Rest]] = {"logit": Logit, "probability": Probability, "rest": Rest}
    return one_class[kind](*_which(name, find))


def _settings(kind: str, given: dict[str, str], target: Any, find: Find) -> dict[str, Any]:
    """The settings of a kind as its dataclass declares them."""
    declared = {f.name: f for f in fields(target) if f.name in target.SETTINGS}
    settings: dict[str, Any] = {}
    for key, value in given.items():
        if key not in declared:
            raise unknown("setting", key, declared, owner=kind)
        if key == "against":
            settings[key] = tuple(_fixed(part, find) for part in value.split("+"))
        else:
            settings[key] = convert(key, value, declared[key].type, declared[key].default)
    return settings


def _fixed(text: str, find: Find) -> int:
    """A class that does not depend on the photo."""
    found, _ = _which(text, find)
    if found is None:
        raise BadValue(f"against={text!r}", "classes by name or index, joined by +")
    return found


def _which(text: str, find: Find) -> tuple[int | None, int]:
    """(index, rank) of a class as written."""
    text = text.strip()
    if not text:
        return None, 0
    if text.startswith("#"):
        if not text[1:].isdecimal() or int(text[1:]) < 1:
            raise BadValue(f"target {text!r}", "#1 for the strongest prediction, #2 for the second, …")
        return None, int(text[1:]) - 1
    return (int(text), 0) if text.removeprefix("-").isdecimal() else (find(text), 0)


def _which_one(text: str, find: Find) -> tuple[int | None, int]:
    """As `_which`, and `dog#2` for the second of a class."""
    name, mark, count = text.rpartition("#")
    if not mark or not name:
        return _which(text, find)
    return _which(name, find)[0], _which(mark + count, find)[1]


def _is_class(text: str, find: Find) -> bool:
    try:
        find(text)
    except UnknownName:
        return False
    return True


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadValue(f"{text!r}", "setting=value")
    return key.strip(), value.strip()
