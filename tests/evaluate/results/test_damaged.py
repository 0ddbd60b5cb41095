"""A table never lies: flipped bits, replaced photos, parts of something else and damaged requests are noticed."""

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from evaluate.conftest import request_of, write_noise
from heatlens.evaluate import read_rows, run, summarise
from heatlens.evaluate.results.checksum import _check
from heatlens.evaluate.results.rows import PARTS, Row, each_table, write_part
from heatlens.words.errors import BadValue


@pytest.fixture
def done(noise: list[Path], tmp_path: Path) -> Path:
    return run(request_of(noise), tmp_path / "out")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_rows(folder).drop_columns(["seconds"]).to_pylist()
    return found


def test_no_flipped_bit_changes_a_number_unseen(done: Path) -> None:
    expected = read_rows(done).to_pylist()
    part = sorted((done / PARTS).iterdir())[0]
    whole, rng, noticed = part.read_bytes(), random.Random(0), 0
    for _ in range(600):
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        part.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        _check.cache_clear()  # a file that changes within a tick of the clock
        try:
            assert read_rows(done).to_pylist() == expected, (at, bit)
        except (BadValue, UnicodeDecodeError):
            noticed += 1
    assert noticed > 570


def test_a_damaged_part_is_done_again_by_the_same_command(done: Path, noise: list[Path]) -> None:
    expected = rows_of(done)
    first, second, *_ = sorted((done / PARTS).iterdir())
    first.write_bytes(first.read_bytes()[:-40])
    whole = second.read_bytes()
    second.write_bytes(whole[:60] + bytes([whole[60] ^ 4]) + whole[61:])
    run(request_of(noise), done)
    assert rows_of(done) == expected


def test_parts_of_something_else_are_refused_by_name(done: Path, noise: list[Path]) -> None:
    first, second, *_ = sorted((done / PARTS).iterdir())
    stray = first.with_name("00-000099.parquet")
    shutil.copy(first, stray)
    with pytest.raises(BadValue, match=f"{stray.name} is no part of this evaluation"):
        run(request_of(noise), done)
    stray.unlink()
    kept = first.read_bytes()
    shutil.copy(second, first)
    with pytest.raises(BadValue, match=f"{first.name} is no part of this evaluation"):
        run(request_of(noise), done)
    first.write_bytes(kept)
    run(request_of(noise), done)


def test_a_replaced_photo_is_noticed(done: Path, noise: list[Path]) -> None:
    kept = noise[1].read_bytes()
    write_noise(noise[1], 99)
    with pytest.raises(BadValue, match=rf"the photo \S*{noise[1].name} changed since the evaluation in"):
        run(request_of(noise), done)
    noise[1].write_bytes(kept)
    run(request_of(noise), done)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'{"models": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_request_is_one_clear_line(done: Path, noise: list[Path], content: bytes) -> None:
    (done / "request.json").write_bytes(content)
    with pytest.raises(BadValue, match=r"request\.json is damaged") as caught:
        run(request_of(noise), done)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stray", ["00-000099.parquet", "00-000000 (copy).parquet", "0 of another.parquet"])
def test_the_table_refuses_what_is_no_part_of_it(done: Path, stray: str) -> None:
    before = [(one.recipe, one.metric, one.value) for one in summarise(done)]
    first, *_ = sorted((done / PARTS).iterdir())
    other = first.with_name(stray)
    if stray.startswith("0 of"):
        (table,) = each_table([first])
        rows = [Row(**{**row, "photo": f"other {row['photo']}", "recipe": "lime"}) for row in table.to_pylist()]
        write_part(other, rows)
    else:
        shutil.copy(first, other)
    with pytest.raises(BadValue, match=re.escape(f"{stray} is no part of this evaluation: ")):
        summarise(done)
    other.unlink()
    assert [(one.recipe, one.metric, one.value) for one in summarise(done)] == before
