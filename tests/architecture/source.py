"""The source as the architecture tests read it: files, folders, floors, and who imports whom."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import heatlens

T = TypeVar("T")

ROOT = Path(heatlens.__file__).resolve().parent
REPOSITORY = ROOT.parents[1]
PAGE = REPOSITORY / "docs" / "architecture.md"
ROWS = re.findall(r"^\| (\d) \| ([^|]*) \|", PAGE.read_text("utf-8"), re.MULTILINE)
"""The table of floors: (floor, its folders)."""
FLOORS = {folder: int(floor) for floor, folders in ROWS for folder in re.findall(r"`(\w+)/`", folders)}
"""Folder -> its floor."""


def files(root: Path = ROOT) -> list[Path]:
    return sorted(root.rglob("*.py"))


def folders(root: Path = ROOT) -> list[Path]:
    """Every folder with code in it, the package's own first."""
    return sorted({path.parent for path in files(root)})


def folder(path: Path) -> str:
    """The folder of the package that a file lies in; the door itself lies in none."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else ""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def dotted(path: Path, root: Path = ROOT) -> str:
    """The module of a file."""
    parts = ("heatlens", *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(module: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """(module, name) of everything of heatlens that is imported anywhere in a module that stands in `package`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "heatlens")
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (above, node.module or "") if part)
            if stem.partition(".")[0] == "heatlens":
                yield from ((stem, alias.name) for alias in node.names)


def package_of(path: Path, root: Path = ROOT) -> str:
    return dotted(path.with_name("__init__.py"), root)


@cache
def arrows(root: Path = ROOT) -> Mapping[Path, frozenset[Path]]:
    """File -> the files of heatlens that it imports, for types alone or inside a function as well."""
    by_name = {dotted(path, root): path for path in files(root)}
    found = {}
    for path in files(root):
        modules = ((f"{stem}.{name}", stem) for stem, name in imported(tree(path), package_of(path, root)))
        reached = {by_name.get(longer) or by_name.get(shorter) for longer, shorter in modules}
        found[path] = frozenset(other for other in reached if other is not None and other != path)
    return found


def circles(graph: Mapping[T, frozenset[T]]) -> list[set[T]]:
    """The sets of places from each of which every other can be reached."""
    reached = {start: _reach(graph, start) for start in graph}
    together = {frozenset({b for b in reached[a] if a in reached.get(b, ())} | {a}) for a in graph if a in reached[a]}
    return [set(one) for one in together]


def _reach(graph: Mapping[T, frozenset[T]], start: T) -> set[T]:
    found: set[T] = set()
    ahead = list(graph[start])
    while ahead:
        place = ahead.pop()
        if place not in found:
            found.add(place)
            ahead.extend(graph.get(place, ()))
    return found
