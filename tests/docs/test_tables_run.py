"""Tables of what is there and what is here are programs: every command and call in them is run, row by row."""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from heatlens.cli import cli
from helpers.pages import ROOT, blocks, bundled_is_there

HOW_TO = ROOT / "docs" / "how-to"
_WITH = re.compile(r"<!-- with: (.+) -->")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_FENCE = re.compile(r"```.*?```", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One row: what it is called there, the commands and calls that stand for it here."""

    there: str
    here: tuple[str, ...]
    base: str
    """The command that an option is added to."""
    line: int


def rows(page: Path) -> list[Row]:
    """The rows of every table whose head ends in `here`, or in a command line and Python."""
    return list(_rows(page.read_text("utf-8")))


def _rows(text: str) -> Iterator[Row]:
    base, inside = "", False
    blank = _FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)
    for number, line in enumerate(blank.splitlines(), 1):
        if match := _WITH.fullmatch(line.strip()):
            base = match[1]
        elif not line.startswith("|"):
            base, inside = (base, False) if line.strip() else ("", False)
        elif line.rstrip().endswith(("| here |", "| in Python |")):
            inside = True
        elif inside and not line.startswith("| ---"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            spans = tuple(code for cell in cells[1:] for code in _CODE.findall(cell))
            yield Row(cells[0], spans, base, number)


def run(code: str, base: str, namespace: dict[str, Any]) -> None:
    """A command, an option of the base command, or Python."""
    if not code.startswith(("heatlens ", "--", "-")) or code.startswith("-1"):
        exec(compile(code, "a row", "exec"), namespace)
        return
    shutil.rmtree("heatlens-out", ignore_errors=True)  # no row writes over what another wrote
    words = shlex.split(code if code.startswith("heatlens ") else f"{base} {code}")[1:]
    result = CliRunner().invoke(cli, words, standalone_mode=False, prog_name="heatlens")
    if result.exception is not None:
        raise AssertionError(f"{code}: {result.exception!r}") from result.exception
    assert result.return_value in (0, None), f"{code}: {result.output}"


PAGES = [HOW_TO / "coming-from.md", HOW_TO / "from-vis_cam.md"]


def sections(page: Path) -> list[str]:
    """The headings under which tables stand."""
    return re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_runs(page: Path, desk: Path) -> None:
    if not bundled_is_there():
        pytest.skip("the bundled model's weights are not in src/heatlens/models/bundled")
    if page.stem == "from-vis_cam":
        pytest.importorskip("mmpretrain")
    namespace: dict[str, Any] = {"__name__": "page"}
    torch.manual_seed(0)
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(block.body, str(page), "exec"), namespace)
    failed = []
    for row in rows(page):
        for code in row.here:
            try:
                run(code, row.base, dict(namespace))
            except Exception as error:  # so that all of them are told
                failed.append(f"{page.name}:{row.line}: {code}: {error!r}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(("page", "least"), [(PAGES[0], 80), (PAGES[1], 14)], ids=["coming-from", "from-vis_cam"])
def test_every_row_has_something_to_run(page: Path, least: int) -> None:
    found = rows(page)
    assert len(found) >= least
    assert [row.there for row in found if not row.here] == []


def test_a_row_that_is_wrong_is_found(desk: Path) -> None:
    head = "<!-- with: heatlens methods --short -->\n| there | here |\n| --- | --- |\n"
    text = f"{head}| a \\| b | `grad_cam` · `--shrot` |\n"
    (row,) = _rows(text)
    assert row.here == ("grad_cam", "--shrot")
    assert row.base == "heatlens methods --short"
    with pytest.raises(AssertionError, match="shrot"):
        run(row.here[1], row.base, {})
    with pytest.raises(NameError):
        run("grad_cam", "", {})


def test_every_option_of_vis_cam_has_a_row() -> None:
    pytest.importorskip("mmpretrain")
    from peers.vis_cam import options

    there = " ".join(row.there for row in rows(PAGES[1]))
    missing = [name for name in options() if name not in re.findall(r"[\w-]+", there.replace("--", ""))]
    assert missing == []
