"""The source as the architecture tests read it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import heatlens

ROOT = Path(heatlens.__file__).resolve().parent
PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
ROWS = re.findall(r"^\| (\d) \| ([^|]*) \|", PAGE.read_text("utf-8"), re.MULTILINE)
"""The table of floors: (floor, its rooms in order)."""
PLACES = {
    room: (int(floor), place) for floor, rooms in ROWS for place, room in enumerate(re.findall(r"`(\w+)`", rooms))
}
"""Room -> its floor, and its place on it from the left."""
ORDERED = {0, 4}
"""Floors where a room may import those to its right."""


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    """The first part of a file's place in the package; the door itself has none."""
    return "" if path == ROOT / "__init__.py" else path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported_rooms(module: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    """The rooms of heatlens that a module imports from; `package` is where it stands, e.g. ("heatlens", "models")."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module or "") if part)
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            if top == "heatlens" and rest:
                yield rest[0]


def package(path: Path) -> tuple[str, ...]:
    return ("heatlens", *path.relative_to(ROOT).parts[:-1])
