"""Targets as people write them: a number, a name, a wnid, `#2`, or a kind in front: `contrast:tabby`."""

from collections.abc import Callable
from operator import index
from typing import Any

from ..errors import BadValue, UnknownName, unknown
from ..registry import convert, spelling
from .classes import ClassTarget, Contrast, Logit, Negative, Probability, Rest, Sum
from .outputs import Target

Find = Callable[[str], int]
"""A class name, synonym or wnid -> its index; raises `UnknownName`."""

KINDS: dict[str, str] = {
    "logit": "the score before the softmax (default)",
    "probability": "the score after the softmax",
    "contrast": "for the class and not for similar ones (Finer-CAM)",
    "rest": "y + log p (ShapleyCAM)",
    "negative": "the evidence against the class",
    "sum": "several classes as one, joined by +",
}


def parse_target(text: Any, find: Find) -> Target:
    """A target from what a person gave: None, an index, text, or any callable (which is returned as it is).

    Text is `CLASS` or `KIND:CLASS` or `KIND:CLASS,setting=value,…`; CLASS is an index, a name, a synonym, a wnid, `#k`
    for the k-th prediction, or empty for the prediction.
    """
    if text is None:
        return Logit()
    if isinstance(text, bool) or not (isinstance(text, int | str) or callable(text) or hasattr(text, "__index__")):
        raise BadValue(
            f"target {text!r}", "a class index or name, '#2', 'contrast:CLASS', or a function of the outputs"
        )
    if not isinstance(text, str):
        return _given(text)
    kind, colon, rest = text.partition(":")
    if not colon:
        return Logit(*_which(text, find))
    name, *given = rest.split(",")
    if spelling(kind) not in KINDS:
        if _is_class(text, find):
            return Logit(find(text))
        raise unknown("kind of target", kind, KINDS)
    return _make(spelling(kind), name.strip(), dict(map(_pair, given)), find)


def _given(value: Any) -> Target:
    try:
        target: Target = value if callable(value) else Logit(index(value))
    except TypeError:
        raise BadValue(f"target {value!r}", "one class index, or a list with one target per image") from None
    return target


def _make(kind: str, name: str, given: dict[str, str], find: Find) -> ClassTarget:
    if kind == "contrast":
        return _contrast(*_which(name, find), given, find)
    if given:
        raise BadValue(f"{kind} with {', '.join(given)}", f"no settings: {kind} has none", f"write {kind}:{name}")
    if kind == "sum":
        return Sum(tuple(Logit(*_which(part, find)) for part in name.split("+")))
    if kind == "negative":
        return Negative(Logit(*_which(name, find)))
    one_class: dict[str, type[Logit | Probability | Rest]] = {"logit": Logit, "probability": Probability, "rest": Rest}
    return one_class[kind](*_which(name, find))


def _contrast(which: int | None, rank: int, given: dict[str, str], find: Find) -> Contrast:
    declared = {"gamma": (float, 0.0), "form": (Contrast.__annotations__["form"], "mean"), "count": (int, 3)}
    declared["detach"] = (bool, True)
    settings: dict[str, Any] = {}
    for key, value in given.items():
        if key == "against":
            settings[key] = tuple(_fixed(part, find) for part in value.split("+"))
        elif key in declared:
            settings[key] = convert(key, value, *declared[key])
        else:
            raise unknown("setting", key, [*declared, "against"], owner="contrast")
    return Contrast(which, rank, **settings)


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
