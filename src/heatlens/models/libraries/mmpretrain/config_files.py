"""Config files of MMPretrain, read without running anything: JSON, YAML, and Python that only writes values down.

Most configs in Python are assignments of numbers, words, lists and dict(…) over `_base_` files; those are read from
their syntax.  One that computes, imports or is imported is a program, and is left to a person who trusts it.
"""

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ....words.errors import BadValue, ModelUnavailable
from ....words.limits import limit
from ....words.optional import require
from ...files.archives import at_most

_MOST, _DEEPEST, _MOST_BASES = 1_000_000, 100, 20
_TRUST = "give trust=True (on the command line: --trust) to run it, if you know who wrote it"


class _Program(ValueError):
    """A config does more than write values down; the text says where."""


def read_values(file: Path, library: Path, depth: int = 0) -> dict[str, Any]:
    """What a config and its bases say, merged as MMEngine merges them; `library`: the folder of mmpretrain:: bases.

    Raises `BadValue` for a file that would have to be run or imports, ValueError and others for a damaged one.
    """
    if depth > _MOST_BASES:
        raise ValueError(f"more than {_MOST_BASES} bases in each other")
    at_most("HEATLENS_MAX_TEXT_BYTES", file.stat().st_size, f"{file.name} has {{}} bytes")
    text = file.read_text("utf-8")
    try:
        said = _READERS[file.suffix.lower()](text)
    except _Program as error:
        raise BadValue(
            f"{file.name} is a program ({error}), and reading it would run it", "a config that only writes values down",
            _TRUST,
        ) from None  # fmt: skip
    if type(said) is not dict:
        raise ValueError(f"it holds a {type(said).__name__} where a dictionary belongs")
    _check_extent(said)
    if said.get("custom_imports"):
        raise BadValue(f"{file.name} imports modules (custom_imports)", "a config without them", _TRUST)
    bases = said.pop("_base_", [])
    merged: Any = {}
    for base in [bases] if isinstance(bases, str) else bases:
        merged |= read_values(_base(base, file, library), library, depth + 1)
    whole: dict[str, Any] = _merged(merged, said)
    return whole


def check_types(config: Mapping[str, Any]) -> None:
    """Raise `BadValue` where a part's type is no name in MMPretrain's own registries, which are all that is looked in.

    MMEngine would import any other name.
    """
    registries = require("mmpretrain.registry")
    known: set[str] = set()
    for word in ("MODELS", "DATASETS"):
        registry = getattr(registries, word, None)
        while registry is not None:
            registry.import_from_location()
            known |= set(registry.module_dict)
            registry = registry.parent
    waiting: list[Any] = [config.get("model"), config.get("data_preprocessor"), *_datasets(config)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            waiting += part.values()
            _check_type(part, known)
        elif isinstance(part, list | tuple):
            waiting += part


def _datasets(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The types of what is tested on, one inside of the other."""
    found, held = [], (config.get("test_dataloader") or {}).get("dataset")
    while held:
        found.append({"type": held.get("type")})
        held = held.get("dataset")
    return found


def _check_type(part: Mapping[str, Any], known: set[str]) -> None:
    kind = part.get("type")
    if kind is None:
        return
    scope, _, name = kind.rpartition(".") if isinstance(kind, str) else ("?", "", "")
    if scope not in ("", "mmpretrain", "mmcls", "mmcv", "mmengine") or name not in known:
        raise BadValue(f"the config's type {kind!r}", "a name in MMPretrain's registries", _TRUST)


def _base(said: Any, file: Path, library: Path) -> Path:
    if not isinstance(said, str):
        raise ValueError("a base that is no file name")
    scope, _, inner = said.rpartition("::")
    if scope not in ("", "mmpretrain"):
        raise ValueError(f"a base in {scope}")
    found = library / inner if scope else file.parent / said
    if not found.is_file() or found.suffix.lower() not in _READERS:
        raise ModelUnavailable(f"{file.name} has the base {said!r}, which is not there", "a config beside it")
    return found


def _merged(base: Any, said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    said = dict(said)
    alone = said.pop("_delete_", False) or not isinstance(base, dict)
    below = {} if alone else base
    return {**below, **{key: _merged(below.get(key), value) for key, value in said.items()}}


def _check_extent(said: Any) -> None:
    """Raise ValueError for values too many or too deep, aliases written out."""
    waiting, count = [(said, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > _MOST or depth > _DEEPEST:
            raise ValueError("it says too much: more than a million values, or values in each other without end")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        waiting += [(one, depth + 1) for one in inside]


def _yaml(text: str) -> Any:
    yaml = require("yaml")
    if len(text) > limit("HEATLENS_MAX_TEXT_BYTES") // 16:
        raise ValueError("it is too long for YAML")
    try:
        return yaml.safe_load(text)
    except yaml.constructor.ConstructorError as error:
        raise _Program(f"it asks for {error.problem.partition(' for the tag ')[2] or 'an object'}") from None


def _python(text: str) -> dict[str, Any]:
    if "{{" in text:
        raise _Program("{{…}} is filled in when it is run")
    if max(map(len, text.splitlines()), default=0) > 1_000_000:
        raise ValueError("a line without end")
    found: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = _value(value, found)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = _value(value, found)
            case ast.Delete(targets=targets) if all(isinstance(t, ast.Name) and t.id in found for t in targets):
                for target in targets:
                    del found[target.id]  # type: ignore[attr-defined]
            case _:
                raise _Program(f"line {statement.lineno} is no value")
    return {key: value for key, value in found.items() if not key.startswith("__")}


def _value(node: ast.expr, known: dict[str, Any]) -> Any:  # noqa: PLR0911  (one line a kind of expression)
    """What an expression of written values is; names are those assigned before."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.List(elts=parts):
            return [_value(part, known) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part, known) for part in parts)
        case ast.Dict(keys=keys, values=values):
            names = [None if key is None else _value(key, known) for key in keys]
            return _dictionary(list(zip(names, values, strict=True)), known)
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words):
            return _dictionary([(word.arg, word.value) for word in words], known)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_number(_value(inner, known), node)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            numbers = [_number(_value(part, known), node) for part in (left, right)]
            return _ARITHMETIC[type(op)](*numbers)
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            return _value(inner, known)[key]
        case ast.Attribute(value=inner, attr=key) if isinstance(held := _value(inner, known), dict) and key in held:
            return held[key]
    raise _Program(f"line {node.lineno} is no value")


def _dictionary(pairs: list[tuple[Any, ast.expr]], known: dict[str, Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, part in pairs:
        value = _value(part, known)
        made.update(value if key is None else {key: value})
    return made


def _number(value: Any, node: ast.expr) -> Any:
    if type(value) not in (int, float) or abs(value) > 1e30:
        raise _Program(f"line {node.lineno} is no value")
    return value


_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
}
_READERS: dict[str, Callable[[str], Any]] = {".json": json.loads, ".yaml": _yaml, ".yml": _yaml, ".py": _python}
