"""README and docs are programs: what they show is run, offline, in a folder with a few photos."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from heatlens.cli import cli
from helpers.pages import PAGES, Block, blocks, bundled_is_there, commands, named

PYTHON = [page for page in PAGES if any(b.kind == "python" for b in blocks(page))]
CONSOLE = [(page, block) for page in PAGES for block in blocks(page) if block.kind == "console"]


@pytest.mark.parametrize("page", PYTHON, ids=named)
@pytest.mark.filterwarnings("error")
def test_python(page: Path, desk: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.kind == "python" and "jittor" not in block.marks:  # those: tests/jittor
            _skip_without_bundled('"bundled"' in block.body)
            torch.manual_seed(0)
            source = "\n" * (block.line - 1) + block.body
            exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize(("page", "block"), CONSOLE, ids=[f"{named(p)}:{b.line}" for p, b in CONSOLE])
def test_console(page: Path, block: Block, desk: Path) -> None:
    said = ""
    for command in commands(block):
        program, *words = shlex.split(command, comments=True)
        if program != "heatlens":
            assert program in ("pip", "make", "git", "cd"), f"{named(page)}:{block.line} shows {program!r}"
            continue
        _parsed(words)
        if "no-run" not in block.marks:
            _skip_without_bundled(words[0] == "explain" and "--model" not in words)
            said += _run(words)
    shown = [line for line in block.body.replace("\\\n", " ").splitlines() if not line.startswith("$ ")]
    if any(shown) and "no-run" not in block.marks:
        assert "\n".join(shown).strip() == said.strip()


def test_few_commands_are_not_run() -> None:
    unrun = [b for _, b in CONSOLE if "no-run" in b.marks]
    assert len(unrun) < len(CONSOLE) / 2


def _parsed(words: list[str]) -> None:
    """That the command line understands every word, without doing it."""
    name, *options = words
    if "--help" not in options:
        cli.commands[name].make_context(name, options)


def _run(words: list[str]) -> str:
    result = CliRunner().invoke(cli, words, standalone_mode=False, prog_name="heatlens")
    if result.exception is not None:
        raise result.exception
    assert result.return_value in (0, None), result.output
    return result.stdout


def _skip_without_bundled(asked: bool) -> None:
    if asked and not bundled_is_there():
        pytest.skip("the bundled model's weights are not in src/heatlens/models/bundled")
