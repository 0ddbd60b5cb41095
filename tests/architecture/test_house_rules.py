"""What every file keeps to."""

import ast
import json
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

import heatlens
from architecture.source import REPOSITORY, ROOT, files, folder, tree

TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
TEXTS = [
    path
    for name in TRACKED.stdout.split("\0")
    if name and (path := REPOSITORY / name).is_file() and b"\0" not in path.read_bytes()[:8000]
]
RUNNING = {"register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook", "grad", "backward",
           "no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "functional_call"}  # fmt: skip
"""What touches a running model."""
ALLOWED = {("methods/opti_cam.py", "enable_grad"), ("methods/opti_cam.py", "grad")}
"""Where a finding is wanted: a method that optimises."""
LONGEST: dict[str, int] = {}
"""A file that says one thing and needs more than about 200 lines for it."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> set[str]:
    """The names that are called as attributes: `x.no_grad()`, `torch.autograd.grad(...)`."""
    return {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


@pytest.mark.parametrize("path", [p for p in files() if folder(p) != "engine"], ids=name)
def test_only_the_engine_touches_a_running_model(path: Path) -> None:
    assert {(name(path), call) for call in calls(path) & RUNNING} <= ALLOWED


def test_the_engine_never_accumulates_gradients_and_the_check_can_fail() -> None:
    engine = {call for path in files() if folder(path) == "engine" for call in calls(path)}
    assert "backward" not in engine
    assert {"grad", "no_grad", "register_forward_hook"} <= engine


@pytest.mark.parametrize("path", files(), ids=name)
def test_files_are_short_silent_and_finished(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST.get(name(path), 220)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    nodes = list(ast.walk(tree(path)))
    assert not any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print" for n in nodes)
    assert not any(isinstance(n, ast.Assert) for n in nodes)
    assert not any(isinstance(n, ast.ExceptHandler) and n.type is None for n in nodes)
    assert ast.get_docstring(tree(path)), "a file says what it is"


@pytest.mark.parametrize(("room", "decorator", "least"), [("methods", "method", 50), ("metrics", "metric", 25)])
def test_every_file_that_declares_is_in_the_table_of_contents(room: str, decorator: str, least: int) -> None:
    contents = tree(ROOT / room / "contents.py")
    listed = {n.module for n in ast.walk(contents) if isinstance(n, ast.ImportFrom) and n.level == 1}
    declaring = {
        path.stem
        for path in (ROOT / room).glob("*.py")
        if any(isinstance(n, ast.FunctionDef) and _declared(n, decorator) for n in tree(path).body)
    }
    assert declaring - listed == set()
    assert len(declaring) >= least


def _declared(function: ast.FunctionDef, decorator: str) -> bool:
    return any(
        getattr(d.func if isinstance(d, ast.Call) else d, "id", "") == decorator for d in function.decorator_list
    )


SNAPSHOT = Path(__file__).with_name("public_names.json")


def test_the_public_names_change_only_on_purpose() -> None:
    """After a wanted change, PYTHONPATH=tests: python tests/architecture/test_house_rules.py > its public_names.json"""
    assert public_names() == json.loads(SNAPSHOT.read_text("utf-8"))


def public_names() -> dict[str, str]:
    def spoken(thing: object) -> str:
        if thing is heatlens.HeatlensError:
            return "an exception"
        shown = [n for n in vars(thing) if not n.startswith("_")] if isinstance(thing, type) else []
        return " ".join([str(signature(thing)), *sorted(shown)])  # type: ignore[arg-type]

    return {public: spoken(getattr(heatlens, public)) for public in sorted(heatlens.__all__)}


HEAVY = {"torch", "torchvision", "timm", "numpy", "PIL", "matplotlib", "tqdm", "safetensors", "transformers", "skimage"}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import heatlens; heatlens.HeatlensError; dir(heatlens)", set()),
        ("from heatlens.words.errors import unknown; from heatlens.words.signature import method", set()),
        ("import heatlens.images", {"torch", "numpy", "PIL", "matplotlib", "tqdm"}),
        ("import heatlens; heatlens.explain", {"torch", "numpy", "PIL", "matplotlib", "tqdm", "safetensors"}),
    ],
)
def test_imports_are_light(statement: str, allowed: set[str]) -> None:
    script = f"{statement}\nimport sys; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) <= allowed


def test_names_that_do_not_exist_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        heatlens.explian  # noqa: B018
    assert set(heatlens.__all__) <= set(dir(heatlens))


def test_the_package_is_typed() -> None:
    assert (ROOT / "py.typed").is_file()


PRIVATE = re.compile(
    r"(?<![\w.])/(?:work|root|home|Users|mnt)/\w|\b(?:pypi|files)\.python"
    + r"hosted|index"
    + r"[-_]url|artifact"
    + "ory"
)


@pytest.mark.skipif(not TEXTS, reason="not a git checkout")
def test_tracked_files_name_no_machine_and_no_registry() -> None:
    found = {
        path.relative_to(REPOSITORY).as_posix(): match.group()
        for path in TEXTS
        if (match := PRIVATE.search(path.read_text("utf-8", errors="replace")))
    }
    assert found == {}
    assert len(TEXTS) > 100
    assert PRIVATE.search("see /" + "home/someone/models")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(public_names(), indent=2) + "\n")
