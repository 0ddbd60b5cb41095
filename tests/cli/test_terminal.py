"""Names from files and models are text on the terminal, whatever is in them."""

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.conftest import Run
from heatlens.words.wording import shown

ODD = "\x1b]0;title\x07\x1b[31mred\u202etxt\x9b2J"


def test_control_characters_are_written_out() -> None:
    assert shown(ODD) == r"\u001b]0;title\u0007\u001b[31mred\u202etxt\u009b2J"
    assert shown("Bär\tкот 猫\n") == "Bär\tкот 猫\n"
    assert json.loads(f'"{shown(ODD)}"') == ODD


def test_no_name_commands_the_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / f"{ODD.replace('/', '')}.png")
    (tmp_path / f"bad{ODD}.jpg").write_bytes(b"nothing")
    (tmp_path / "names.txt").write_text("\n".join([f"cat{ODD}", f"dog{ODD}"]))
    for words in (
        ["explain", ".", "-m", "bundled", "--out", "out"],
        ["explain", f"none{ODD}.png"],
        ["classes", f"timm/{ODD}"],
        ["explain", ".", f"--{ODD}"],
    ):
        said = run(*words)
        text = said.out + said.err
        assert text
        assert not any(c in text for c in "\x1b\x07\u202e\x9b"), words
