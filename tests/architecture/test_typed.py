"""The public surface for type checkers and readers: user code checks cleanly, nothing returned is Any, all is named."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_overloads

import pytest

import heatlens
from architecture.source import REPOSITORY

USER_CODE = Path(__file__).with_name("user_code.py")


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.mark.skipif(find_spec("mypy") is None, reason="no mypy")
def test_mypy_reads_user_code() -> None:
    assert run("mypy", "--strict", str(USER_CODE)).startswith("0 Success")


@pytest.mark.skipif(find_spec("pyright") is None, reason="no pyright")
def test_pyright_reads_user_code() -> None:
    assert run("pyright", "--pythonpath", sys.executable, str(USER_CODE)).startswith("0 0 errors")


@pytest.mark.skipif(find_spec("mypy") is None, reason="no mypy")
def test_a_wrong_type_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import heatlens\nmaps: str = heatlens.explain('bundled', 'cat.jpg')\n")
    assert "Incompatible types" in run("mypy", "--strict", str(wrong))


def public() -> dict[str, Callable[..., Any]]:
    """Every public function, and every public method and property of a public class."""
    found: dict[str, Callable[..., Any]] = {}
    for name in heatlens.__all__:
        thing = getattr(heatlens, name)
        if inspect.isfunction(thing):
            found[name] = thing
        for key, value in vars(thing).items() if inspect.isclass(thing) else ():
            inner = getattr(value, "fget", None) or getattr(value, "func", None) or value
            if not key.startswith("_") and inspect.isfunction(inner):
                found[f"{name}.{key}"] = inner
    return found


def says_any(annotation: Any) -> bool:
    """Whether it is Any, or holds it; a function's own parameters may be anything."""
    if getattr(annotation, "__origin__", None) is not None and "Callable" in str(annotation):
        return False
    return annotation is Any or "typing.Any" in str(annotation).replace("tuple[typing.Any, ...]", "")


@pytest.mark.parametrize("name", sorted(public()))
def test_nothing_public_returns_any(name: str) -> None:
    returned = [inspect.signature(one).return_annotation for one in (public()[name], *get_overloads(public()[name]))]
    assert not any(map(says_any, returned))


def test_any_would_be_found() -> None:
    assert says_any(Any)
    assert says_any(dict[str, Any])
    assert not says_any(dict[str, int])
    assert get_args(dict[str, int])


@pytest.mark.parametrize("name", ["attribute", "describe", "explain", "load", "measure"])
def test_docstrings_name_every_argument(name: str) -> None:
    function = getattr(heatlens, name)
    said = inspect.getdoc(function) or ""
    missing = [parameter for parameter in inspect.signature(function).parameters if parameter not in said]
    assert missing == []
    assert "Raises `" in said
    assert "Costs " in said


@pytest.mark.parametrize("value", ["subject", "recipe", "of_parts", "own", "explanation"])
def test_what_is_printed_fits_three_lines(value: str) -> None:
    from heatlens.recipes.shipped import RECIPES

    subject = heatlens.load("bundled")
    printed = {
        "subject": lambda: subject,
        "recipe": lambda: heatlens.Recipe("layer_cam", layers=("neck",)),
        "of_parts": lambda: RECIPES["precise"],
        "own": lambda: heatlens.Recipe(heatlens.compose()),
        "explanation": lambda: heatlens.explain(subject, pytest.importorskip("numpy").zeros((64, 64, 3), "uint8")),
    }[value]()
    text = repr(printed)
    assert len(text) <= 3 * 120
    assert "\n" not in text
    assert {"subject": "'bundled'", "recipe": "layers=('neck',)", "of_parts": "4 parts", "own": "compose"}.get(
        value, ""
    ) in text


def test_python_m_heatlens_is_the_command_line() -> None:
    assert heatlens.__version__ in run("heatlens", "--version")
