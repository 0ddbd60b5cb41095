"""The shape of a pickle, read from its opcodes without making anything: how deep it nests, and how much it says."""

import pickletools
from io import BytesIO
from typing import IO, Any

from ...words.errors import ModelUnavailable

_DEEPEST, _MOST = 200, 5_000_000
_PICKLES = 5
"""torch's old files begin with a magic number, a version, the system, what is held, and its storages."""
_GROWS = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD", "ADDITEMS"})
_STORES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FETCHES = frozenset({"GET", "BINGET", "LONG_BINGET"})
_MARKED = pickletools.markobject


def check_pickle(content: bytes, name: str) -> None:
    """Raise `ModelUnavailable` where unpickling would nest or go on without end; damage is left for the reader."""
    check_pickles(BytesIO(content), name, 1)


def check_pickles(stream: IO[bytes], name: str, count: int = _PICKLES) -> None:
    """The same for the pickles that a file begins with."""
    for _ in range(count):
        try:
            deepest = _depth(stream)
        except (ValueError, IndexError, KeyError, EOFError, OverflowError, MemoryError):
            return
        if deepest > _DEEPEST:
            raise ModelUnavailable(f"{name} nests objects too deeply or says too much", "a file of tensors by name")


def _depth(stream: IO[bytes]) -> int:
    """How deeply the objects of one pickle lie in each other; very deep where there is no end of them."""
    inside: list[list[int]] = []
    stack: list[int] = []
    memo: dict[Any, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST:
            return _MOST
        if opcode.name in _STORES:
            memo[argument] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode.name in _FETCHES:
            stack.append(memo[argument])
        elif opcode.name == "MARK":
            stack.append(-1)
        elif opcode.name == "DUP":
            stack.append(stack[-1])
        else:
            _step(opcode, stack, inside)
    return _longest(inside)


def _step(opcode: pickletools.OpcodeInfo, stack: list[int], inside: list[list[int]]) -> None:
    """What an opcode takes from the stack and puts there: a new object that holds them, or an old one that grows."""
    taken: list[int] = []
    for kind in reversed(opcode.stack_before):
        if kind is pickletools.stackslice:
            continue
        if kind is _MARKED:
            while (one := stack.pop()) != -1:
                taken.append(one)
        else:
            taken.append(stack.pop())
    if opcode.name in _GROWS:
        inside[taken[-1]] += taken[:-1]
        stack.append(taken[-1])
    elif opcode.stack_after:
        inside.append(taken)
        stack.append(len(inside) - 1)


def _longest(inside: list[list[int]]) -> int:
    """The longest way from an object into what it holds, not counting ways that come back."""
    depth = [0] * len(inside)
    open_, deepest = bytearray(len(inside)), 0
    for start in range(len(inside)):
        ways = [] if open_[start] else [(start, iter(inside[start]))]
        open_[start] = 1
        while ways:
            node, rest = ways[-1]
            for child in rest:
                if not open_[child]:
                    open_[child] = 1
                    ways.append((child, iter(inside[child])))
                    break
                depth[node] = max(depth[node], depth[child] + 1)
            else:
                ways.pop()
                deepest = max(deepest, depth[node])
                if ways:
                    parent = ways[-1][0]
                    depth[parent] = max(depth[parent], depth[node] + 1)
    return deepest
