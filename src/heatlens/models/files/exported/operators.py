"""Which operators a network from a file may call: those that compute, by their full name; none that touches a file."""

import re

import torch

_TARGET = re.compile(r"torch\.ops\.(\w+)\.((?!__)\w+)\.((?!__)\w+)")
_SPACES = frozenset({"aten", "prims", "quantized", "torchvision", "quantized_decomposed"})
_NEVER = frozenset({"from_file", "save", "read_file", "write_file"})
"""Operators that read or write files."""
_HIGHER = frozenset({"wrap_with_set_grad_enabled", "wrap_with_autocast"})
"""Operators that run a part of the graph in another mode."""
_PYTHON = {
    "_operator": frozenset({
        "add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pos", "getitem", "eq", "ne", "lt", "le", "gt", "ge",
        "and_", "or_", "not_", "abs",
    }),
    "math": frozenset({"ceil", "floor", "trunc", "sqrt"}),
    "torch": frozenset({
        "sym_int", "sym_float", "sym_max", "sym_min", "sym_not", "sym_ite", "sym_sum", "_sym_sqrt", "sym_sqrt",
    }),
}  # fmt: skip
"""Arithmetic of sizes, by the module that torch.export writes in front."""


def check_operator(target: str) -> str:
    """The target itself.  Raises ValueError for an operator that is unknown or does more than compute."""
    module, _, name = target.partition(".")
    if name in _PYTHON.get(module, ()):
        return target
    if target.removeprefix("torch.ops.higher_order.") in _HIGHER:
        return target
    match = _TARGET.fullmatch(target)
    if match is None or match[1] not in _SPACES or match[2] in _NEVER:
        raise ValueError(f"the operator {target[:80]!r}")
    if match[1] == "torchvision":
        import torchvision  # noqa: F401  (its import makes the operators known)
    packet = getattr(getattr(torch.ops, match[1]), match[2], None)
    if packet is None or getattr(packet, match[3], None) is None:
        raise ValueError(f"the operator {target[:80]!r}, which this torch does not know")
    return target


def computes(space: str, name: str) -> bool:
    """Whether TorchScript may call an operator of this space and name."""
    return space in _SPACES | {"prim"} and name not in _NEVER
