"""How inputs and outputs of an exported program are nested: tuples, lists and dictionaries, and nothing imported."""

import json
import re
from typing import Any

_PLAIN = {"builtins.tuple": "null", "builtins.list": "null"}
_NAMED = ("builtins.dict", "collections.OrderedDict")
_OUTPUTS = re.compile(r"transformers\.(?:\w+\.)*\w+")
"""The named outputs of transformers, which its import makes known to torch."""
_DEEPEST = 40


def canonical_spec(text: str) -> str:
    """The specification, written anew.  Raises ValueError for a type that is not one of these."""
    if not text:
        return text
    version, said = json.loads(text)
    if version != 1:
        raise ValueError(f"a specification of version {str(version)[:20]!r}")
    return json.dumps([1, _node(said, 0)])


def _node(said: Any, depth: int) -> dict[str, Any]:
    if type(said) is not dict or depth > _DEEPEST:
        raise ValueError("a specification of another form")
    kind, children = said["type"], [_node(one, depth + 1) for one in said["children_spec"]]
    if kind is None:
        if children:
            raise ValueError("a leaf with branches")
        return {"type": None, "context": None, "children_spec": []}
    if kind in _PLAIN and said["context"] in (None, _PLAIN[kind]):
        return {"type": kind, "context": _PLAIN[kind], "children_spec": children}
    if kind in _NAMED or (type(kind) is str and _OUTPUTS.fullmatch(kind)):
        keys = json.loads(said["context"])
        if type(keys) is not list or not all(type(key) in (str, int) for key in keys):
            raise ValueError("keys that are no words")
        return {"type": kind, "context": json.dumps(keys), "children_spec": children}
    raise ValueError(f"inputs or outputs in a {str(kind)[:60]!r}")
