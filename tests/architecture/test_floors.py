"""Imports go down only; rooms on one floor never import each other."""

import ast
from pathlib import Path

import pytest

from architecture.source import FLOORS, ROOT, files, imported_rooms, package, room, tree

BESIDE = {("recipe", "look"), ("look", "recipe"), ("ask", "look"), ("ask", "recipe"), ("ask", "explanation"),
          ("look", "explanation"), ("explanation", "recipe")}  # fmt: skip
"""The fourth floor is one room in several files: explaining."""
GROUND = {
    *((own, "errors") for own in ("registry", "notation", "optional", "trees", "masking", "clusters")),
    ("registry", "notation"), ("masking", "notation"), ("clusters", "notation"), ("clusters", "optional"),
}  # fmt: skip
"""The ground floor: errors below, then the words of formulas, then what is made of them."""
PLAIN = {"__version__", "HeatlensError"}
"""What the door itself holds."""


def broken(own: str, others: set[str]) -> list[str]:
    """What a file of the room `own` may not import."""
    return [
        f"{own} (floor {FLOORS[own]}) imports {other} (floor {FLOORS[other]})"
        for other in sorted(others - {own} - PLAIN)
        if FLOORS[other] > FLOORS[own] or (FLOORS[other] == FLOORS[own] and (own, other) not in BESIDE | GROUND)
    ]


@pytest.mark.parametrize("path", [p for p in files() if room(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = room(path)
    assert own in FLOORS, f"{own} is on no floor: put it in architecture/source.py and docs/architecture.md"
    others = set(imported_rooms(tree(path), package(path)))
    if own == "cli":
        others.discard("methods")  # `from .. import methods`, the list of names
    assert broken(own, others) == []


@pytest.mark.parametrize(
    ("own", "text", "found"),
    [
        ("images", "from ..engine.scene import Scene", True),
        ("images", "from ..targets import Logit", True),
        ("images", "import heatlens.models.timm", True),
        ("engine", "def f():\n    from heatlens.models import load", True),
        ("engine", "from .. import models", True),
        ("models", "from ..engine.scene import Scene\nfrom ..targets import Logit\nimport torch", False),
        ("images", "from ..errors import BadPhoto\nfrom .read import Photo", False),
        ("models", "from . import timm", False),
    ],
)
def test_the_check_can_fail(own: str, text: str, found: bool) -> None:
    others = set(imported_rooms(ast.parse(text), ("heatlens", own)))
    assert bool(broken(own, others)) is found


def test_the_fourth_and_the_ground_floor_have_no_circles() -> None:
    edges = {
        (room(path), other)
        for path in files()
        for other in imported_rooms(tree(path), package(path))
        if room(path) and other in FLOORS and other != room(path)
    }
    while edges:
        leaves = {b for _, b in edges} - {a for a, _ in edges}
        assert leaves, f"rooms import each other in a circle: {sorted(edges)}"
        edges = {(a, b) for a, b in edges if b not in leaves}
