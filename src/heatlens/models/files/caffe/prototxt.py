"""Protocol buffers in text: `name: value` and `name { … }`, as Caffe's prototxt files are written.

Nothing is known here of what the fields mean; each is a list, since any may be repeated.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....words.errors import ModelUnavailable
from ..archives import at_most

Message = dict[str, list[Any]]
"""Field -> its values in order: numbers, truth values, text, names of enumerations, or messages."""

_TOKEN = re.compile(r"""\#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}<>\[\]:;,]|[^\s{}<>\[\]:;,#"']+|\S""")
_DEEPEST = 60
_CLOSES = {"{": "}", "<": ">"}
_WORDS = {"true": True, "false": False}


def read_prototxt(path: Path) -> Message:
    """The message that a text file holds; `ModelUnavailable` says the line where it cannot be read."""
    try:
        size = path.stat().st_size
        at_most("HEATLENS_MAX_TEXT_BYTES", size, f"{path.name} has {{}} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"no prototxt {str(path)!r} that can be read", "a text file of Caffe") from error
    return parse(text, path.name)


def parse(text: str, name: str) -> Message:
    """The message in a text; `name` says where it is from."""
    tokens = _Tokens(text, name)
    return _message(tokens, "")


class _Tokens:
    """The words of a text one by one, with the line of the last for errors."""

    def __init__(self, text: str, name: str) -> None:
        self.name, self.line = name, 1
        self._found = self._split(text)
        self.next: str = next(self._found, "")

    def _split(self, text: str) -> Iterator[str]:
        counted = 0
        for match in _TOKEN.finditer(text):
            if match[0][0] not in "#;,":
                self.line += text.count("\n", counted, match.start())
                counted = match.start()
                yield match[0]

    def take(self) -> str:
        taken = self.next
        self.next = next(self._found, "")
        return taken

    def wrong(self, got: str, expected: str) -> ModelUnavailable:
        return ModelUnavailable(f"{self.name}, line {self.line}: {got}", expected)


def _message(tokens: _Tokens, end: str, depth: int = 0) -> Message:
    if depth > _DEEPEST:
        raise tokens.wrong("messages in each other without end", f"at most {_DEEPEST}")
    found: Message = {}
    while tokens.next != end:
        key = tokens.take()
        if not key.isidentifier():
            raise tokens.wrong(f"{key!r}" if key else "the file ends too early", "the name of a field, or its end")
        colon = tokens.next == ":" and bool(tokens.take())
        found.setdefault(key, []).extend(_values(tokens, key, colon, depth + 1))
    tokens.take()
    return found


def _values(tokens: _Tokens, key: str, colon: bool, depth: int) -> list[Any]:
    if tokens.next in _CLOSES:
        return [_message(tokens, _CLOSES[tokens.take()], depth)]
    if not colon:
        raise tokens.wrong(f"{key!r} has no value", "a colon and a value, or a message in braces")
    if tokens.next != "[":
        return [_scalar(tokens)]
    tokens.take()
    if depth > _DEEPEST:
        raise tokens.wrong("lists in each other without end", f"at most {_DEEPEST}")
    values = []
    while tokens.next != "]":
        values += _values(tokens, key, True, depth + 1)
    tokens.take()
    return values


def _scalar(tokens: _Tokens) -> Any:
    token = tokens.take()
    if token[:1] in ("'", '"') and len(token) > 1:
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    if not re.fullmatch(r"[\w.+-]+", token):
        raise tokens.wrong(f"{token!r}" if token else "the file ends too early", "a value")
    for kind in (int, float):
        try:
            return kind(token)
        except ValueError:
            continue
    return _WORDS.get(token, token)
