"""Layers as people name them: by name, as a module, by number, by stage, `all`, or from one to another."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any

from torch import nn

from ...engine.forward.capture import find_layers
from ...recipes.layers import EXPECTED, Named
from ...words.errors import BadValue

_INDEX = re.compile(r"\[(-?\d+)\]")
Known = Callable[[], Sequence[str]]
"""Names that it takes a pass to know."""
Calls = Callable[[], Mapping[str, int]]
"""How often each layer runs in a pass."""


def needs_no_pass(model: nn.Module, layer: Named) -> bool:
    """Whether this is one layer, whatever the model does with an input."""
    text = str(layer)
    one = layer in dict(model.named_modules()) or (_INDEX.search(text) and ".." not in text)
    return isinstance(layer, nn.Module) or bool(one)


def chosen(model: nn.Module, asked: Sequence[Named], numbered: Known, stages: Known, calls: Calls) -> tuple[str, ...]:
    """The names of the layers that are meant, each once.

    numbered: the layers that `heatlens layers` numbers.  stages: what the stages of the network end with.  calls: how
    often each layer runs.
    A text that is a layer's name always means that layer, also where it looks like a number.  Of a layer that runs
    several times in a pass `NAME@0` is the first, `NAME@all` each; groups of layers have each of them too.
    """
    names = {module: name for name, module in model.named_modules()}
    own = set(names.values()) - {""}
    uncompiled = {name.replace("_orig_mod.", ""): name for name in own if "_orig_mod." in name}
    asked = [uncompiled.get(one, one) if isinstance(one, str) else one for one in asked]
    found: list[str] = []
    for one in (_dotted(one, model) if isinstance(one, str) else one for one in asked):
        if isinstance(one, nn.Module):
            found.append(_name(one, names, model))
        elif not isinstance(one, str):
            found.append(_at(_whole(one), numbered()))
        elif one in own:
            found.append(one)
        else:
            found += _group(one, own, numbered, stages, calls)
    unique = tuple(dict.fromkeys(found))
    find_layers(model, unique)
    return unique


def _dotted(text: str, model: nn.Module) -> str:
    """`blocks[-1].norm1`, as in Python, spelt like the names of modules: `blocks.11.norm1`."""
    while (found := _INDEX.search(text)) is not None:
        owner = text[: found.start()].rpartition("..")[2]
        parts: Any = dict(model.named_modules()).get(owner)
        length = len(parts) if hasattr(parts, "__len__") else 0
        place = int(found[1]) + length * (int(found[1]) < 0)
        if not 0 <= place < length:
            has = f"{owner!r} has {length} parts" if length else f"there is no list of layers {owner!r}"
            raise BadValue(f"the layer {text!r}: {has}", "a list of the model and a number inside it", _LISTED)
        text = f"{text[: found.start()]}.{place}{text[found.end() :]}".removeprefix(".")
    return text


def _name(module: nn.Module, names: dict[nn.Module, str], model: nn.Module) -> str:
    module = getattr(module, "_orig_mod", module)
    if not names.get(module):
        which = "the model itself" if module is model else f"a {type(module).__name__} that is no part of the model"
        raise BadValue(f"layers: {which}", f"a module inside this {type(model).__name__}, or its name")
    return names[module]


def _group(text: str, own: set[str], numbered: Known, stages: Known, calls: Calls) -> Sequence[str]:
    """Of a text that is nobody's name: the layers that it stands for; the text itself where it stands for none."""
    first, dots, last = text.partition("..")
    if text == "all":
        return _each(numbered(), calls())
    if text.endswith("@all") and text.removesuffix("@all") in own:
        return _each([text.removesuffix("@all")], calls())
    if text.startswith("stage:"):
        return _of_stages(text, first.removeprefix("stage:"), last.removeprefix("stage:") if dots else None, stages())
    if dots:
        return _each(_between(text, first, last, own, numbered()), calls())
    return [_at(int(text), numbered())] if _is_number(text) else [text]


def _each(names: Sequence[str], calls: Mapping[str, int]) -> list[str]:
    """Every run of layers."""
    runs = {name: range(calls.get(name, 1)) for name in names}
    return [one for name in names for one in ([name] if len(runs[name]) < 2 else [f"{name}@{k}" for k in runs[name]])]


def _of_stages(text: str, first: str, last: str | None, known: Sequence[str]) -> Sequence[str]:
    """Counted from the deepest, "stage:-1"; of a network with fewer stages its nearest one."""
    if first == "all" and last is None:
        return known
    if not _is_number(first) or not (last is None or _is_number(last)):
        raise BadValue(f"the layer {text!r}", 'a stage by number, such as "stage:-2", "stage:-4..-1" or "stage:all"')
    places = [range(len(known))[max(-len(known), min(int(end), len(known) - 1))] for end in (first, last or first)]
    return known[min(places) : max(places) + 1]


def _between(text: str, first: str, last: str, own: set[str], numbered: Sequence[str]) -> Sequence[str]:
    """By numbers, everything from one to the other; by names, what stands as deep in the network as they do."""
    if _is_number(first) and _is_number(last):
        places = [numbered.index(_at(int(end), numbered)) for end in (first, last)]
        return numbered[min(places) : max(places) + 1]
    depth = {first.count("."), last.count(".")}
    if not {first, last} <= own or len(depth) > 1:
        raise BadValue(f"the layers {text!r}", 'two numbers or two names of one depth, such as "layer2..layer4"')
    beside = [name for name in numbered if name.count(".") in depth]
    for name in (first, last):
        if name not in beside:
            raise BadValue(f"the layers {text!r}: {name!r} has no map", "layers with a map", _LISTED)
    places = [beside.index(name) for name in (first, last)]
    return beside[min(places) : max(places) + 1]


def _at(number: int, numbered: Sequence[str]) -> str:
    if not -len(numbered) <= number < len(numbered):
        raise BadValue(f"layer number {number}", f"0 to {len(numbered) - 1}, or -1 for the last with a map", _LISTED)
    return numbered[number]


def _whole(number: Any) -> int:
    try:
        return index(number) if not isinstance(number, bool) else index("")  # type: ignore[arg-type]
    except TypeError:
        raise BadValue(f"the layer {number!r}", EXPECTED) from None


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


_LISTED = "all of them: heatlens layers MODEL"
