"""Small photos whose truth is known by hand, and a small model that is asked about them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from heatlens.evaluate import Item, Request, run
from heatlens.evaluate.datasets.dataset import dataset
from heatlens.images import Preprocessing
from heatlens.models import Subject
from heatlens.recipes.recipe import Recipe
from heatlens.targets import Classes
from helpers.networks import Gap

SIDE = 32
CLASSES = ("cat", "dog", "cow", "hen")


def tiny() -> Subject:
    torch.manual_seed(0)
    shown = Preprocessing(size=(SIDE, SIDE), resize="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
    return Subject("tiny", Gap().eval(), shown, Classes(CLASSES), layers=("relu",))


def bright(images: Tensor) -> Tensor:
    """A method whose map is known by hand: the brightness above grey."""
    return images.sum(1)


def write_spot(path: Path, x: int, y: int, size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    """A black photo with one white pixel."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[y, x] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_noise(path: Path, seed: int, size: tuple[int, int] = (24, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)).save(path)
    return path


def request_of(photos: list[Path], **changed: object) -> Request:
    """Noise asked about with real methods and metrics, two photos a part."""
    items = [Item(p.name, p, (i % 4,), ((2.0, 3.0, 20.0, 15.0),)) for i, p in enumerate(photos)]
    asked: dict[str, object] = {
        "data": dataset("noise", items),
        "models": (tiny(),),
        "recipes": (Recipe("grad_cam"), Recipe("layer_cam"), Recipe(bright)),
        "criteria": ("pointing_game:tolerance=0.0", "energy_in_box", "deletion:step=128"),
        "target": "label",
        "part_size": 2,
        "batch_size": 2,
    }
    return Request(**{**asked, **changed})  # type: ignore[arg-type]


@pytest.fixture
def noise(tmp_path: Path) -> list[Path]:
    return [write_noise(tmp_path / "noise" / f"{i:02d}.png", i) for i in range(12)]


def evaluate_here(photos: list[Path], out: Path) -> None:
    """In a process of its own, which may be killed; a photo a part, and slow enough for somebody to come between."""
    torch.set_num_threads(1)
    run(request_of(photos, part_size=1), out, watch=lambda photos, rows: time.sleep(0.03))


def evaluate_and_die(photos: list[Path], out: Path, at: int) -> None:
    """Killed at the very moment that the `at`-th file is to be put in place."""
    from heatlens.images.writing import write

    torch.set_num_threads(1)
    put: Callable[..., None] = os.replace
    count = 0

    def replace(*names: object) -> None:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        put(*names)

    write.os.replace = replace  # type: ignore[assignment]
    run(request_of(photos), out)
