"""Imports go down only; rooms on one floor never import each other."""

import ast
from pathlib import Path

import pytest

from architecture.source import ORDERED, PLACES, ROOT, files, imported_rooms, package, room, tree

PLAIN = {"__version__", "HeatlensError"}
"""What the door itself holds."""


def broken(own: str, others: set[str]) -> list[str]:
    """What a file of the room `own` may not import."""
    floor, place = PLACES[own]
    wrong = []
    for other in sorted(others - {own} - PLAIN):
        below, beside = PLACES[other]
        if below > floor or (below == floor and not (floor in ORDERED and beside > place)):
            wrong.append(f"{own} (floor {floor}) imports {other} (floor {below})")
    return wrong


@pytest.mark.parametrize("path", [p for p in files() if room(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = room(path)
    assert own in PLACES, f"{own} is on no floor: put it in docs/architecture.md"
    others = set(imported_rooms(tree(path), package(path)))
    if own == "cli":
        others.discard("methods")  # `from .. import methods`, the list of names
    assert broken(own, others) == []


@pytest.mark.parametrize(
    ("own", "text", "found"),
    [
        ("images", "from ..engine.scene import Scene", True),
        ("images", "from ..targets import Logit", True),
        ("images", "import heatlens.models.libraries.timm", True),
        ("engine", "def f():\n    from heatlens.models import load", True),
        ("engine", "from .. import models", True),
        ("models", "from ..engine.scene import Scene\nfrom ..targets import Logit\nimport torch", False),
        ("images", "from ..errors import BadPhoto\nfrom .read import Photo", False),
        ("models", "from . import timm", False),
        ("ask", "from .look import look", False),
        ("look", "from .ask import explain", True),
        ("registry", "from .errors import unknown", False),
        ("errors", "from .registry import method", True),
    ],
)
def test_the_check_can_fail(own: str, text: str, found: bool) -> None:
    others = set(imported_rooms(ast.parse(text), ("heatlens", own) if (ROOT / own).is_dir() else ("heatlens",)))
    assert bool(broken(own, others)) is found


def test_the_table_is_read() -> None:
    assert PLACES["cli"][0] == 6
    assert PLACES["errors"][0] == 0
    assert len(PLACES) >= 18
