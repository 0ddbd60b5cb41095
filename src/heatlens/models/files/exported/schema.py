"""The words of an exported program: every value by its type in torch's schema, every text by a rule of its own."""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from .formulas import canonical
from .operators import check_operator
from .treespecs import canonical_spec

_DEEPEST = 100
_NAME = re.compile(r"(?!__)[A-Za-z_]\w{0,500}")
_DOTTED = re.compile(r"(?:(?!__)\w+(?:[.@](?!__)\w+)*)?")
_STACK = re.compile(r"[\w.@,;()\[\] '*<>:-]*")
_LARGEST_SYMBOL = re.compile(r"[A-Za-z_]+\d{0,6}")


def as_schema(kind: type, value: Any) -> Any:
    """What is left of a JSON value read as a dataclass of the schema: only what that knows, all of it checked.

    Raises ValueError, TypeError or KeyError for another form, RecursionError for one that is too deep.
    """
    return _of(kind, value, 0)


@cache
def _hints(kind: type) -> dict[str, Any]:
    from torch._export.serde import schema

    return get_type_hints(kind, vars(schema))


def _of(kind: Any, value: Any, depth: int, owner: str = "", field: str = "") -> Any:
    """The value as its type in the schema says, without anything that the schema does not know."""
    if depth > _DEEPEST:
        raise RecursionError
    if type(None) in get_args(kind):
        return None if value is None else _of(get_args(kind)[0], value, depth, owner, field)
    if get_origin(kind) is list:
        inner = get_args(kind)[0]
        return [_of(inner, one, depth + 1, owner, field) for one in _typed(value, list, field)]
    if get_origin(kind) is dict:
        return _mapping(get_args(kind)[1], _typed(value, dict, field), depth, owner, field)
    return _record(kind, _typed(value, dict, field), depth) if is_dataclass(kind) else _plain(kind, value, owner, field)


def _plain(kind: Any, value: Any, owner: str, field: str) -> Any:
    if issubclass(kind, IntEnum):
        return int(kind(value))
    if kind is float:
        return _float(value)
    plain = _typed(value, kind, field)
    return _text(owner, field)(plain) if kind is str else plain


def _typed(value: Any, kind: type, field: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{field} is a {type(value).__name__}")
    return value


def _float(value: Any) -> Any:
    if type(value) in (int, float) or value in ("Infinity", "-Infinity", "NaN"):
        return value
    raise ValueError(f"{value!r} is no number")


def _record(kind: Any, value: dict[str, Any], depth: int) -> dict[str, Any]:
    name, hints = kind.__name__, _hints(kind)
    left_out = _LEFT_OUT.get(name, {})
    if name in _UNKNOWN:
        raise ValueError(f"a {name}")
    union = not any(field.name in hints for field in fields(kind)) or any("Union" in b.__name__ for b in kind.__mro__)
    if union:
        if len(value) != 1 or not value.keys() <= hints.keys() or value.keys() & _OBJECTS:
            raise ValueError(f"{', '.join(value) or 'nothing'} as {name}")
        return {key: _of(hints[key], one, depth + 1, name, key) for key, one in value.items()}
    known = [field.name for field in fields(kind) if field.name in value and field.name not in left_out]
    return {**{key: _of(hints[key], value[key], depth + 1, name, key) for key in known}, **left_out}


def _mapping(inner: Any, value: dict[str, Any], depth: int, owner: str, field: str) -> dict[str, Any]:
    if (owner, field) == ("Node", "metadata"):
        return {key: _stack(value[key]) for key in ("nn_module_stack",) if key in value}
    rule = {"config": _dotted, "range_constraints": _symbol}.get(field, _name)
    return {rule(key): _of(inner, one, depth + 1, owner, field) for key, one in value.items()}


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if type(text) is not str or not text.isascii() or not pattern.fullmatch(text):
            raise ValueError(f"{str(text)[:60]!r} is no {what}")
        return text

    return check


_name = _matching(_NAME, "name")
_dotted = _matching(_DOTTED, "name")
_stack = _matching(_STACK, "place in a network")
_symbol = _matching(_LARGEST_SYMBOL, "symbol")
_word = _matching(re.compile(r"[\w.+-]{0,80}"), "word")


def _keyword(text: str) -> str:
    return _name(text) if text else ""


def _free(text: str) -> str:
    """Text that is an operator's setting, such as "tanh" or an equation."""
    if len(text) > 10_000:
        raise ValueError("a setting of so many letters")
    return text


_TEXTS: dict[tuple[str, str], Callable[[str], str]] = {
    ("SymExpr", "expr_str"): canonical,
    ("Node", "target"): check_operator,
    ("NamedArgument", "name"): _keyword,
    ("Argument", "as_string"): _free,
    ("Argument", "as_strings"): _free,
    ("ConstantValue", "as_string"): _free,
    ("Device", "type"): _matching(re.compile("cpu|cuda|mps|meta"), "device"),
    ("InputToParameterSpec", "parameter_name"): _dotted,
    ("InputToBufferSpec", "buffer_name"): _dotted,
    ("InputToTensorConstantSpec", "tensor_constant_name"): _dotted,
    ("BufferMutationSpec", "buffer_name"): _dotted,
    ("ParameterMutationSpec", "parameter_name"): _dotted,
    ("ModuleCallEntry", "fqn"): _dotted,
    ("ModuleCallSignature", "in_spec"): canonical_spec,
    ("ModuleCallSignature", "out_spec"): canonical_spec,
    ("ExportedProgram", "torch_version"): _matching(re.compile(r"[\w.+<=-]{0,80}"), "version"),
    ("ExportedProgram", "verifiers"): _word,
}
"""What each kind of text may be; every other text is a name."""
_OBJECTS = {"as_custom_obj", "as_operator", "custom_obj", "token"}
_UNKNOWN = {"CustomObjArgument", "TokenArgument"}
_LEFT_OUT: dict[str, dict[str, Any]] = {
    "ExportedProgram": {"guards_code": []},
    "GraphModule": {"metadata": {}, "treespec_namedtuple_fields": {}},
}
"""What is not read: code that torch would compile, and remarks."""


def _text(owner: str, field: str) -> Callable[[str], str]:
    return _TEXTS.get((owner, field), _name)
