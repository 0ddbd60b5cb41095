"""The source as the architecture tests read it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import heatlens

ROOT = Path(heatlens.__file__).resolve().parent
FLOORS = {
    "notation": 0, "registry": 0, "errors": 0, "optional": 0, "trees": 0, "masking": 0, "clusters": 0,
    "methods": 1, "targets": 1, "fusion": 1, "averaging": 1, "metrics": 1, "localize": 1, "images": 1,
    "engine": 2,
    "models": 3,
    "recipe": 4, "look": 4, "ask": 4, "explanation": 4,
    "evaluate": 5,
    "cli": 6, "web": 6,
}  # fmt: skip


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
