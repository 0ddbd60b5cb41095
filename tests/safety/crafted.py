"""Crafted model files, made when a test runs.  All that one of them does, if it is let, is make an empty file."""

import io
import json
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Members = list[tuple[str, bytes]]
SIZE = (2, 3, 32, 32)
CALLED = (
    "torch.ops.aten.from_file.default", "torch.ops.image.write_file.default", "torch.ops.aten.__class__.default",
    "torch.ops.higher_order.cond", "torch.os.mkdir", "_operator.pow", "math.factorial",
)  # fmt: skip
"""Targets that a program may not call."""


class Small(nn.Sequential):
    """(n, 3, 32, 32) -> (n, 3)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
        )  # fmt: skip


def payload(marker: Path) -> str:
    """Python that makes the marker."""
    return f"__import__('pathlib').Path({str(marker)!r}).touch()"


class Trap:
    """Pickled, it calls eval when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (payload(self.marker),)


def saved(held: object) -> bytes:
    out = io.BytesIO()
    torch.save(held, out)
    return out.getvalue()


def packed(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def unpacked(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def program(network: nn.Module | None = None) -> bytes:
    """A `.pt2` file of a network for any number of images."""
    torch.manual_seed(0)
    out = io.BytesIO()
    free = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export((network or Small()).eval(), (torch.rand(SIZE),), dynamic_shapes=free), out)
    return out.getvalue()


def programs(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Name -> a `.pt2` file that would run code, or more than compute."""
    base = unpacked(program())
    name = next(n for n, _ in base if n.endswith("/models/model.json"))
    weights = next(n for n, _ in base if n.endswith("model_weights_config.json"))
    text = dict(base)[name]
    root = name.partition("/")[0]
    symbol = re.search(rb'"(Symbol\([^"]*\))"', text)
    if symbol is None:
        raise LookupError("no symbol in the program")

    def formula(written: str, body: bytes = text) -> bytes:
        return body.replace(b'"' + symbol[1] + b'"', json.dumps(written).encode(), 1)

    def model(content: bytes) -> bytes:
        return packed([(n, content if n == name else c) for n, c in base])

    def changed(change: Callable[[Any], None], member: str = name) -> bytes:
        said = json.loads(dict(base)[member])
        change(said)
        return packed([(n, json.dumps(said).encode() if n == member else c) for n, c in base])

    call = f"[{payload(marker)}, {symbol[1].decode()}][1]"
    evil = formula(call)
    yield "formula", model(evil)
    yield "escaped_key", model(evil.replace(b'"expr_str"', b'"expr\\u005fstr"', 1))
    yield "key_twice", model(evil.replace(b'"expr_str"', b'"expr_str": "1", "expr\\u005fstr"', 1))
    yield (
        "other_ending",
        packed([(n if n != name else f"{root}/models/model.JSON", c if n != name else evil) for n, c in base]),
    )
    for order, pair in (("first", (evil, text)), ("last", (text, evil))):
        twins = [(n, one) for n, c in base for one in (pair if n == name else (c,))]
        yield f"member_twice_{order}", packed(twins)
        cased = [(name.upper() if n == name and c is pair[0] else n, c) for n, c in twins]
        yield f"member_case_{order}", packed(cased)
    yield "power", model(formula(f"9**9**9**9 + {symbol[1].decode()}"))
    yield "lambda", model(formula("(lambda: 1)()"))
    yield "attribute", model(formula("Integer.__class__"))
    pickled = [(n, saved(Trap(marker)) if n.endswith("/weights/weight_0") else c) for n, c in base]
    config = dict(base)[weights].replace(b'"use_pickle": false', b'"use_pickle": true', 1)
    yield "pickled_weight", packed([(n, config if n == weights else c) for n, c in pickled])
    opaque = {
        "config": {"c": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False, "tensor_meta": None}}
    }
    constants = weights.replace("weights", "constants")
    yield (
        "opaque_constant",
        packed(
            [(n, json.dumps(opaque).encode() if n == constants else c) for n, c in base]
            + [(f"{root}/data/constants/opaque_obj_0", pickle.dumps(Trap(marker)))]
        ),
    )
    for kind, context in (
        (
            "collections.defaultdict",
            {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []},
        ),
        ("builtins.tuple", json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "x"})),
    ):
        spec = json.dumps([1, {"type": kind, "context": context, "children_spec": []}])
        yield f"spec_{kind.rpartition('.')[2]}", changed(lambda said, spec=spec: _entry(said).update(in_spec=spec))
    yield "input_name", model(text.replace(b'"input"', json.dumps(f"input=[{payload(marker)}][0]").encode()))
    for target in CALLED:
        yield f"calls_{target}", changed(lambda said, t=target: _nodes(said)[0].update(target=t))
    yield "beyond_its_bytes", changed(_enormous, weights)
    yield "bomb", model(b" " * (300 * 2**20))


def _entry(said: Any) -> Any:
    return next(c["signature"] for c in said["graph_module"]["module_call_graph"] if c.get("signature"))


def _nodes(said: Any) -> Any:
    return said["graph_module"]["graph"]["nodes"]


def _enormous(said: Any) -> None:
    next(iter(said["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": 2**33}]


class _Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu().mean((2, 3))


class _FromFile(_Plain):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        made = torch.from_file(self.path, True, 1)
        return self.conv(x).relu().mean((2, 3)) + 0 * made.sum()


class _Saves(_FromFile):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return self.conv(x).relu().mean((2, 3))


class _AtLoad(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.weight = torch.ones(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[str, Tensor, bool]:
        return self.path, self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]) -> None:
        self.path = state[0]
        self.weight = state[1]
        self.training = state[2]
        self.weight = self.weight + 0 * torch.from_file(self.path, True, 1).sum()


def script(network: nn.Module | None = None) -> bytes:
    torch.manual_seed(0)
    out = io.BytesIO()
    torch.jit.save(torch.jit.script((network or _Plain()).eval()), out)
    return out.getvalue()


def scripts(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Name -> a TorchScript file that would touch a file, or nests without end."""
    plain = script()
    yield "from_file", script(_FromFile(str(marker)))
    yield "save", script(_Saves(str(marker)))
    yield "at_load", script(_AtLoad(str(marker)))

    def source(change: Callable[[bytes], bytes], content: bytes = plain, ending: str = "crafted.py") -> bytes:
        found = unpacked(content)
        changed = [(n, change(c) if n.endswith(ending) else c) for n, c in found]
        if changed == found:
            raise LookupError("nothing was changed")
        return packed(changed)

    method = script(_Saves(str(marker)))
    yield "save_method", source(lambda c: re.sub(rb"torch\.save\((\w+), ", rb"\1 . save(", c), method)
    yield "behind_a_remark", source(lambda c: c.replace(b"torch.save(", b"torch.#\nsave("), method)
    yield (
        "in_brackets",
        source(
            lambda c: re.sub(rb"return (\S.*)\n", rb"return " + b"(" * 100_000 + rb"\1" + b")" * 100_000 + b"\n", c)
        ),
    )
    yield "in_a_row", source(lambda c: re.sub(rb"return (\S.*)\n", rb"return \1" + b" + 1" * 50_000 + b"\n", c))
    yield (
        "class_of_a_library",
        source(lambda c: c.replace(b"conv : __torch__.torch.nn", b"conv : __torch__.torch.classes.dist_rpc.X.nn", 1)),
    )
    yield "deep_pickle", source(lambda c: b"\x80\x02)" + b"\x85" * 100_000 + b".", ending="data.pkl")
    yield "bomb", source(lambda c: c + b"\0" * (300 * 2**20), ending="constants.pkl")


class _Hidden:
    """Unpickled, an OrderedDict with an attribute over a method."""

    def __init__(self, state: dict[str, Tensor], word: str) -> None:
        self.state, self.word = state, word

    def __reduce__(self) -> Any:
        return OrderedDict, (), {self.word: 5}, None, iter(self.state.items())


def states(marker: Path, state: dict[str, Tensor]) -> Iterator[tuple[str, bytes]]:
    """Name -> a torch file that is no state dict, though it holds one's tensors."""
    yield "eval", saved({**state, "more": Trap(marker)})
    yield "bare", pickle.dumps(Trap(marker))
    yield "module", saved(Small())
    loop: dict[str, Any] = {}
    loop["state_dict"] = {"model": loop}
    yield "cycle", saved(loop)
    for word in ("items", "get", "keys"):
        yield f"hidden_{word}", saved(_Hidden(state, word))
    yield "meta", saved({k: v.to("meta") for k, v in state.items()})
    yield "sparse", saved({k: v.to_sparse() for k, v in state.items()})
    yield "expanded", saved({k: torch.zeros(1).expand(2**20, 2**20) for k in state})
    yield "number", saved(5)
    body = b"\x80\x02}q\x00)" + b"\x85" * 150_000 + b"K\x01s."
    yield "deep_key", packed([(n, body if n.endswith("data.pkl") else c) for n, c in unpacked(saved({}))])
    bomb = [(n, c + b"\0" * (300 * 2**20) if n.endswith("data.pkl") else c) for n, c in unpacked(saved(state))]
    yield "bomb", packed(bomb)
