"""The command line, run in this process, in a folder of its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.cli import main
from heatlens.images import Preprocessing
from heatlens.models import Subject
from heatlens.targets import Classes
from helpers.networks import Gap


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: Any) -> Said:
        monkeypatch.setattr("sys.argv", ["heatlens", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


def tiny() -> Subject:
    torch.manual_seed(0)
    shown = Preprocessing(size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)
    return Subject("tiny", Gap().eval(), shown, Classes(("cat", "dog", "cow", "hen")), layers=("relu",))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Subject:
    """What `--model tiny` means here."""
    subject, load = tiny(), heatlens.models.load

    def found(name: Any, weights: Any = None, **options: Any) -> Subject:
        if name != "tiny":
            return load(name, weights, **options)
        return load(subject, weights, **options)

    monkeypatch.setattr("heatlens.models.load", found)
    return subject


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Four photos of different sizes, and beside them what is none."""
    folder = tmp_path / "photos"
    os.makedirs(folder)
    noise = np.random.default_rng(0)
    for i, size in enumerate([(24, 30), (40, 20), (16, 16), (33, 50)]):
        Image.fromarray(noise.integers(0, 255, (*size, 3), np.uint8)).save(folder / f"photo{i}.png")
    (folder / "notes.txt").write_text("not a photo")
    return sorted(folder.glob("*.png"))
