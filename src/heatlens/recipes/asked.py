"""Recipes as people ask for them: methods by name or recipes, with what else was said."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..methods.contents import as_entry
from ..words.errors import BadValue, unknown
from ..words.signature import Entry, Method, checked_settings, settings
from .averages import Average, find_average
from .fusion import Fusion, find_fusion
from .layers import Named, several
from .recipe import AUTO, Recipe
from .shipped import named


def recipes(
    method: "str | Method | Recipe | Sequence[str | Method | Recipe]",
    given: Mapping[str, Any],
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
) -> list[Recipe]:
    """One recipe per method; each setting goes to the methods that have it, and must belong to one."""
    methods: list[Any] = [named(m) for m in (method if isinstance(method, list | tuple) else [method])]
    if not methods:
        raise BadValue("no method", "at least one", "All names: heatlens methods")
    entries = [m.entry if isinstance(m, Recipe) else as_entry(m) for m in methods]
    known = {key for entry in entries for key in settings(entry.function)}
    for key in given:
        if key not in known:
            raise unknown(
                "setting", key, sorted(known), "heatlens methods", owner=" and ".join(e.name for e in entries)
            )
    at = several(layers)
    averaged = find_average(average)
    if fuse not in (None, AUTO, "none"):
        find_fusion(fuse)
    if (at or fuse != AUTO or averaged or negative) and all(isinstance(m, Recipe) for m in methods):
        raise BadValue(
            f"layers, a fusion, an average or negative for {entries[0].name}", "a method; a recipe has its own"
        )
    return [
        m
        if isinstance(m, Recipe)
        else Recipe(_plain(m, entry), _own(entry, given), at, fuse, averaged, negative=negative)
        for m, entry in zip(methods, entries, strict=True)
    ]


def _plain(method: str | Method, entry: Entry) -> str | Method:
    """One spelling for registered methods; a person's own function stays itself."""
    return entry.name if isinstance(method, str) else method


def _own(entry: Entry, given: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    known = settings(entry.function)
    return tuple(checked_settings(entry, {k: v for k, v in given.items() if k in known}).items())
