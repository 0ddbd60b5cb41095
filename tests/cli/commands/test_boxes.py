"""heatlens boxes: maps that are files already."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom

from heatlens.localize import find_boxes, release_boxes
from localize.test_release_boxes import by_the_program, taken_away


@pytest.fixture
def levels(tmp_path: Path) -> Any:
    """Two hills, as a grey JPEG, as the release's first program leaves it for the second: what Pillow reads of it."""
    hills = zoom(np.random.default_rng(4).random((6, 7)) ** 3, 30, order=1)
    Image.fromarray((hills / hills.max() * 240).astype(np.uint8)).save(tmp_path / "heat.jpg", quality=75)
    np.save(tmp_path / "heat.npy", hills.astype(np.float32))
    return np.array(Image.open(tmp_path / "heat.jpg"))


def boxes_of(said: Any) -> list[tuple[float, ...]]:
    (one,) = json.loads(said.out)
    return [tuple(box) for box in one["boxes"]]


@pytest.mark.parametrize("thresholds", [(20, 100, 110), (30, 90, 150)])
def test_the_releases_program(run: Any, levels: Any, thresholds: tuple[int, ...]) -> None:
    """`dt_box heat.jpg 20 100 110 out.txt`: x y width height of every box, on the levels as they are in the file."""
    given = [] if thresholds == (20, 100, 110) else ["--thresholds", ",".join(map(str, thresholds))]
    said = run("boxes", "heat.jpg", "--pick", "release", "--format", "release", *given)
    assert said.code == 0
    numbers = [int(word) for word in said.out.split()]
    rects = [tuple(numbers[i : i + 4]) for i in range(0, len(numbers), 4)]
    program = sorted(by_the_program(levels, thresholds), key=lambda rect: -rect[2] * rect[3])
    assert rects == taken_away(program)
    assert len(rects) >= 2
    assert boxes_of(run("boxes", "heat.jpg", "--pick", "release", "--format", "json", *given)) == release_boxes(
        levels, thresholds
    )


def test_arrays_and_the_other_ways_to_pick(run: Any, levels: Any, tmp_path: Path) -> None:
    hills = np.load(tmp_path / "heat.npy")
    for words, share, pick in ((("--threshold", "0.4"), 0.4, "largest"), (("--pick", "all"), 0.3, "all")):
        expected = find_boxes(hills > share * hills.max(), pick=pick)
        assert boxes_of(run("boxes", "heat.npy", "--format", "json", *words)) == expected
    said = run("boxes", "heat.jpg", "heat.npy")
    x0, y0, x1, y1 = find_boxes(levels > 0.3 * levels.max())[0]
    assert said.out.splitlines()[0] == f"heat.jpg: ({x0:.0f}, {y0:.0f}, {x1:.0f}, {y1:.0f})"
    assert said.out.splitlines()[1].startswith("heat.npy: (")


def test_grown_along_a_photo_and_drawn(run: Any, levels: Any, tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 60, (*levels.shape, 3), np.uint8)
    photo[40:120, 60:150] += 150
    Image.fromarray(photo).save(tmp_path / "photo.png")
    words = ["--photo", "photo.png", "--threshold", "0.5", "--format", "json"]
    plain = boxes_of(run("boxes", "heat.jpg", *words))
    grown = boxes_of(run("boxes", "heat.jpg", *words, "--refine", "grabcut", "--draw", "drawn.png"))
    assert grown != plain
    drawn, before = np.array(Image.open(tmp_path / "drawn.png").convert("RGB")), Image.open(tmp_path / "photo.png")
    changed = np.abs(drawn.astype(int) - np.array(before.resize(drawn.shape[1::-1], Image.Resampling.BICUBIC))).max(-1)
    rows, columns = (changed > 90).nonzero()
    ratio = drawn.shape[1] / levels.shape[1]
    assert [columns.min() / ratio, rows.min() / ratio] == pytest.approx(grown[0][:2], abs=2)


def test_a_map_that_is_none_spoils_no_other(run: Any, levels: Any, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(tmp_path / "colours.png")
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4)))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full((3, 3), np.nan))
    said = run("boxes", "colours.png", "cube.npy", "objects.npy", "nan.npy", "gone.npy", "heat.npy")
    assert said.code == 1
    assert said.out.startswith("heat.npy: (")
    for reason in (
        "is a picture in colours",
        "holds no map",
        "objects.npy cannot be read",
        "NaN",
        "gone.npy cannot be",
    ):
        assert reason in said.err


@pytest.mark.parametrize(("words", "reason"), [
    (("--refine", "grabcut"), "--refine without a photo"),
    (("--thresholds", "1,2,3"), "--thresholds without --pick release"),
    (("--pick", "release", "--threshold", "0.3"), "--threshold or --refine with --pick release"),
    (("--pick", "release", "--thresholds", "a"), "--thresholds 'a'"),
    (("--pick", "release", "--thresholds", "0,300"), "numbers between 0 and 255"),
    (("--threshold", "2"), "threshold '2'"),
])  # fmt: skip
def test_words_that_do_not_go_together(run: Any, levels: Any, words: tuple[str, ...], reason: str) -> None:
    said = run("boxes", "heat.jpg", *words)
    assert said.code == 2
    assert reason in said.err


def test_the_photo_is_not_drawn_over(run: Any, levels: Any, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((*levels.shape, 3), np.uint8)).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    words = ("boxes", "heat.jpg", "--photo", "photo.png", "--draw", "photo.png")
    said = run(*words)
    assert said.code == 2
    assert "photo.png is there already, and holds something else" in said.err
    assert (tmp_path / "photo.png").read_bytes() == before
    assert run(*words, "--overwrite").code == 0
    assert (tmp_path / "photo.png").read_bytes() != before
