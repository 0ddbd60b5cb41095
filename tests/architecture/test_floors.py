"""The plan of the house: an import goes to a lower floor or stays in its folder, and nothing goes in circles."""

import ast
from pathlib import Path

import pytest

from architecture.source import FLOORS, REPOSITORY, ROOT, arrows, circles, dotted, files, folder, folders, tree

TABLES_OF_CONTENTS = {"methods", "metrics"}
"""Folders where each file is one paper."""
RIDDLES = {"judge", "witness", "seen", "swift", "attended", "attending", "survey", "heads", "tail", "voice", "work",
           "made", "notes", "aims", "gap_head", "recognise", "shown", "written", "plainly", "say", "own",
           "alike"}  # fmt: skip
"""Names that said nothing to somebody who had not seen the project."""
ACROSS = {"architecture", "benchmarks", "docs", "helpers", "jittor", "laws", "oracles", "peers", "real", "safety",
          "training", "walk"}  # fmt: skip
"""Folders of tests that are about no one folder of the package."""


def broken(own: str, other: str) -> bool:
    """Whether a file of the folder `own` may not import one of the folder `other`."""
    return own not in FLOORS or (own != other and FLOORS.get(other, 99) >= FLOORS[own])


@pytest.mark.parametrize("path", [p for p in files() if folder(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_to_a_lower_floor_or_stay_in_their_folder(path: Path) -> None:
    wrong = [dotted(other) for other in arrows()[path] if broken(folder(path), folder(other))]
    assert wrong == []


@pytest.mark.parametrize(
    ("own", "other", "found"),
    [
        ("images", "engine", True),
        ("engine", "models", True),
        ("metrics", "recipes", True),
        ("words", "methods", True),
        ("words", "", True),
        ("asking", "nowhere", True),
        ("nowhere", "words", True),
        ("models", "engine", False),
        ("cli", "words", False),
        ("models", "models", False),
    ],
)
def test_the_check_of_floors_can_fail(own: str, other: str, found: bool) -> None:
    assert broken(own, other) is found


def test_every_folder_stands_in_the_table() -> None:
    assert {path.name for path in folders() if path.parent == ROOT} == set(FLOORS)


def test_no_circle_between_files() -> None:
    assert circles(arrows()) == []


def test_no_circle_between_folders() -> None:
    """Also between the rooms inside a folder; what `__init__` offers of its own rooms is no arrow."""
    rooms: dict[Path, frozenset[Path]] = {one: frozenset() for one in folders()}
    for path, others in arrows().items():
        if path.name != "__init__.py":
            rooms[path.parent] |= {other.parent for other in others} - {path.parent}
    assert circles(rooms) == []


def test_a_circle_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.py").write_text("def f():\n    from ..b import two\n")
    (tmp_path / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a.one import f\n")
    assert circles(arrows(tmp_path)) == [{tmp_path / "a" / "one.py", tmp_path / "b.py"}]


def test_nothing_lies_at_the_root() -> None:
    there = {path.name for path in ROOT.iterdir() if path.is_file()}
    assert there <= {"__init__.py", "__main__.py", "py.typed"}


@pytest.mark.parametrize("path", folders(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_folder_is_a_heap(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() not in TABLES_OF_CONTENTS:
        assert len([file for file in path.glob("*.py") if file.name != "__init__.py"]) <= 20
    assert path == ROOT or ast.get_docstring(tree(path / "__init__.py")), "a folder says what it holds"


def test_names_are_plain() -> None:
    named = {path.stem for path in files()} | {path.name for path in folders()}
    assert named & RIDDLES == set()


def test_tests_mirror_the_source() -> None:
    tests = REPOSITORY / "tests"
    assert {path.name for path in tests.glob("*.py")} == {"conftest.py"}
    mirrored = [path.parent.relative_to(tests) for path in tests.rglob("*.py") if path.parent != tests]
    strange = {one for one in mirrored if one.parts[0] not in ACROSS and not (ROOT / one).is_dir()}
    assert strange == set()
    assert {one.parts[0] for one in mirrored} >= set(FLOORS), "every folder of the package has tests"


@pytest.mark.parametrize(
    ("declares", "contents", "look_up", "names"),
    [
        ("words/signature.py", "methods/contents.py", "find_method", "METHODS"),
        ("words/metric.py", "metrics/contents.py", "find_metric", "METRICS"),
    ],
)
def test_what_declares_knows_no_list_and_the_list_is_where_names_are_looked_up(
    declares: str, contents: str, look_up: str, names: str
) -> None:
    assert {folder(other) for other in arrows()[ROOT / declares]} <= {"words"}
    assert not any(isinstance(node, ast.Name) and node.id == names for node in ast.walk(tree(ROOT / declares)))
    defined = tree(ROOT / contents).body
    assert look_up in {node.name for node in defined if isinstance(node, ast.FunctionDef)}
    assigned = [node.targets[0] for node in defined if isinstance(node, ast.Assign)]
    assert names in {target.id for target in assigned if isinstance(target, ast.Name)}
