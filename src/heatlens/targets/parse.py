"""Targets as people write them: a number, a name, a wnid, `#2`, or a kind in front: `contrast:tabby`."""

from operator import index
from typing import Any

from ..words.errors import BadValue, UnknownName, unknown
from ..words.wording import spelling
from .classes import ClassTarget, Logit
from .kind import Asked, Find, meant, which
from .kinds import KINDS
from .outputs import Target


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
        return meant(usual, *which(text, find))
    name, *given = rest.split(",")
    if spelling(kind) not in KINDS:
        if _is_class(text, find):
            return meant(usual, find(text))
        raise unknown("kind of target", kind, KINDS)
    asked = Asked(spelling(kind), name.strip(), dict(map(_pair, given)), find, usual)
    return KINDS[asked.kind].target(asked)


def _given(value: Any, usual: ClassTarget) -> Target:
    try:
        target: Target = value if callable(value) else meant(usual, index(value))
    except TypeError:
        raise BadValue(f"target {value!r}", "one class index, or a list with one target per image") from None
    return target


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
