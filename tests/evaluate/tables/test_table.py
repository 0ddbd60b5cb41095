"""Tables of rows written by hand: means, intervals, classes, curves."""

import csv
import io
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from heatlens.evaluate import Summary, as_csv, as_markdown, as_text, export, read_rows, summarise, write_curves
from heatlens.evaluate.results.rows import PARTS, Row, write_part
from heatlens.evaluate.tables.table import best
from heatlens.images import save_json
from heatlens.metrics.criterion import find_criterion
from heatlens.words.errors import BadValue

LEVELS = 255


def written(folder: Path, rows: list[Row], **record: list[str]) -> Path:
    """A folder as a run leaves it."""
    models = [{"name": name} for name in record.pop("models", ["m"])]
    save_json(folder / "request.json", {"models": models, **record})
    names = list(dict.fromkeys((row.model, row.photo) for row in rows))
    for part, at in enumerate(range(0, len(names), 2)):
        own = [row for row in rows if (row.model, row.photo) in names[at : at + 2]]
        write_part(folder / PARTS / f"00-{part:06d}.parquet", own)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recipes; of 'good' six photos: 1 1 0 | 1 nan, and an error; classes 3 3 5 5 5."""
    rows = [
        Row(f"{i}.png", "m", "good", "energy_in_box", value, None, label)
        for i, (value, label) in enumerate([(1.0, 3), (1.0, 3), (0.0, 5), (1.0, 5), (nan, 5)])
    ]
    rows += [Row("5.png", "m", "good", "energy_in_box", error="it is broken")]
    rows += [Row(f"{i}.png", "m", "bad, worse", "energy_in_box", 0.25, None, 3, "hen") for i in range(6)]
    rows += [Row(f"{i}.png", "m", "centre", "energy_in_box", 0.875, None, 3) for i in range(6)]
    return written(
        tmp_path / "out", rows, recipes=["bad, worse", "good", "centre"], metrics=["energy_in_box", "deletion"]
    )


def one(found: list[Summary], recipe: str, about: Any = "all", metric: str = "energy_in_box") -> Summary:
    (summary,) = [s for s in found if (s.recipe, s.about, s.metric) == (recipe, about, metric)]
    return summary


def test_the_table_known_by_hand(folder: Path) -> None:
    found = summarise(folder)
    assert [s.recipe for s in found] == ["bad, worse", "bad, worse", "good", "good", "centre", "centre"]
    good = one(found, "good")
    assert (good.value, good.photos, good.errors, good.better) == (0.75, 4, 1, "higher")
    # of 4 photos drawn from 3 hits and a miss, 1 hit or less has 5 % of the chance, 4 hits 32 %
    assert (good.low, good.high) == (0.25, 1.0)
    bad = one(found, "bad, worse")
    assert (bad.value, bad.low, bad.high, bad.photos, bad.errors) == (0.25, 0.25, 0.25, 6, 0)
    nothing = one(found, "good", metric="deletion")
    assert isnan(nothing.value)
    assert nothing.photos == 0


def test_classes(folder: Path) -> None:
    found = summarise(folder, per_class=True)
    assert (one(found, "good", 3).value, one(found, "good", 3).photos) == (1.0, 2)
    assert (one(found, "good", 5).value, one(found, "good", 5).photos) == (0.5, 2)
    mean = one(found, "good", "mean over classes")
    assert mean.value == 0.75
    assert isnan(mean.low)
    assert as_text(found).count("m, class 5\n") == 1
    assert as_text(found).count("m, class 3 (hen)\n") == 1


def test_parts_of_before_classes_were_named_are_read(folder: Path) -> None:
    for part in (folder / PARTS).iterdir():
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(part).drop_columns(["class_name"]), part)
    assert one(summarise(folder), "good").value == 0.75
    assert as_text(summarise(folder, per_class=True)).count("m, class 3\n") == 1


def test_some_photos_only(folder: Path) -> None:
    good = one(summarise(folder, photos={"1.png", "2.png", "5.png", "other.png"}), "good")
    assert (good.value, good.photos, good.errors) == (0.5, 2, 1)
    assert one(summarise(folder, photos=[]), "good").photos == 0


def test_as_csv(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(summarise(folder)))))
    assert rows[0] == {
        "model": "m", "recipe": "bad, worse", "metric": "energy_in_box", "about": "all", "value": "0.25", "low": "0.25",
        "high": "0.25", "photos": "6", "errors": "0", "better": "higher", "class_name": "",
    }  # fmt: skip
    assert len(rows) == 6


def test_as_markdown_and_text(folder: Path) -> None:
    found = summarise(folder)
    text = as_markdown(found)
    assert text.splitlines()[:5] == [
        "### m",
        "",
        "| recipe | energy_in_box ↑ | deletion ↓ | photos | errors |",
        "| --- | --- | --- | --- | --- |",
        "| bad, worse | 0.250 (0.250–0.250) | – | 6 | 0 |",
    ]
    assert "**" not in text  # the centre, 0.875, beats them all, and is no contender
    assert "*" not in as_text(found)
    without = [summary for summary in found if summary.recipe != "centre"]
    assert "| good | **0.750 (0.250–1.000)** | – | 4 | 1 |" in as_markdown(without)
    assert "0.750 (0.250–1.000)*" in as_text(without)


@pytest.mark.parametrize(
    ("better", "values", "starred"),
    [
        ("higher", {"centre": 0.5, "a": 0.6, "b": 0.7}, {"b"}),
        ("higher", {"a": 0.4, "centre": 0.5, "b": 0.3}, set()),
        ("higher", {"a": 0.5, "centre": 0.5}, set()),
        ("higher", {"centre": 0.5, "a": 0.5}, set()),
        ("lower", {"centre": 0.5, "a": 0.4, "b": 0.6}, {"a"}),
        ("lower", {"centre": 0.1, "a": 0.4}, set()),
        ("lower", {"centre": nan, "a": 0.4}, {"a"}),
        ("neither", {"a": 0.4}, set()),
    ],
)
def test_a_star_is_for_what_beats_the_centre(better: Any, values: dict[str, float], starred: set[str]) -> None:
    rows = [Summary("m", recipe, "metric", "all", value, nan, nan, 3, 0, better) for recipe, value in values.items()]
    assert {one.recipe for one in best(rows)} == starred


def test_a_metric_that_is_no_mean(tmp_path: Path) -> None:
    """MaxBoxAcc: two photos, each hit at another level, never both: a half, though each alone is hit somewhere."""
    rows = []
    for i, level in enumerate((10, 20)):
        hits = np.zeros(LEVELS)
        hits[level] = 1
        rows.append(Row(f"{i}.png", "m", "r", "max_box_acc", None, hits.tolist()))
    rows.append(Row("2.png", "m", "r", "max_box_acc", None, [nan] * LEVELS))
    (found,) = summarise(written(tmp_path, rows, recipes=["r"], metrics=["max_box_acc"]))
    assert (found.value, found.photos, found.low, found.high) == (0.5, 2, 0.5, 1.0)


def test_curves(tmp_path: Path) -> None:
    name = "deletion:step=9,curve=True"
    rows = [Row(f"{i}.png", "a/b", "r", name, None, [float(i), 1.0, 0.5]) for i in range(2)]
    rows += [
        Row("2.png", "a/b", "r", name, None, [nan] * 3),
        Row("3.png", "a/b", "r", name, error="no"),
    ]
    out = written(tmp_path / "out", rows, models=["a/b"], recipes=["r"], metrics=[name])
    table, picture = write_curves(out, tmp_path / "curves")
    lines = table.read_text().splitlines()
    assert lines == [
        "model,recipe,metric,curve,at,value,photos",
        'a/b,r,"deletion:step=9,curve=True",,0,0.5,2',
        'a/b,r,"deletion:step=9,curve=True",,0.5,1,2',
        'a/b,r,"deletion:step=9,curve=True",,1,0.5,2',
    ]
    with Image.open(picture) as drawn:
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_a_curve_for_each_overlap_and_precision_over_recall(tmp_path: Path) -> None:
    hits = np.zeros((3, LEVELS))
    hits[0], hits[1, :100], hits[2, 51] = 1, 1, 1
    counts = np.zeros((2, 1002))
    counts[0, [999, 500]], counts[1, [500, 0]] = (30, 10), (10, 50)  # on the object, beside it
    rows = [
        Row("0.png", "m", "r", "max_box_acc_v2", None, hits.ravel().tolist()),
        Row("1.png", "m", "r", "max_box_acc_v2", None, [0.0] * 3 * LEVELS),
        Row("0.png", "m", "r", "px_ap", None, counts.ravel().tolist()),
    ]
    out = written(tmp_path / "out", rows, recipes=["r"], metrics=["max_box_acc_v2", "px_ap"])
    table, *pictures = write_curves(out, tmp_path / "curves")
    assert [picture.name for picture in pictures] == ["m-max_box_acc_v2.png", "m-px_ap.png"]
    found = list(csv.DictReader(io.StringIO(table.read_text())))
    for delta, where in (("0.3", range(LEVELS)), ("0.5", range(100)), ("0.7", [51])):
        own = [row for row in found if row["curve"] == f"IoU {delta}"]
        assert [row["at"] for row in own] == [f"{t / LEVELS:.6g}" for t in range(LEVELS)]
        assert [float(row["value"]) for row in own] == [0.5 if t in where else 0 for t in range(LEVELS)]
    seen = {(float(row["at"]), float(row["value"])) for row in found if row["metric"] == "px_ap"}
    assert seen == {(0.75, 1), (1, 0.8), (1, 0.4)}


def test_curves_of_photos_of_different_sizes(tmp_path: Path) -> None:
    name = "insertion:curve=True"
    given = {"0.png": [0.0, 0.5, 1.0], "1.png": [0.0, 0.25, 0.5, 0.75, 1.0], "2.png": [0.0, 0.0, 0.0, 0.0, 1.0]}
    rows = [Row(photo, "m", "r", name, None, values) for photo, values in given.items()]
    out = written(tmp_path / "out", rows, recipes=["r"], metrics=[name])
    (found,) = summarise(out)
    assert found.value == pytest.approx((0.5 + 0.5 + 0.125) / 3)
    table, _ = write_curves(out, tmp_path / "curves")
    heights = [float(row["value"]) for row in csv.DictReader(io.StringIO(table.read_text()))]
    assert heights == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2, 1], abs=1e-6)


def test_what_takes_long_says_how_far_it_is(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    summarise(folder, progress=progress)
    assert told == [(done, 6) for done in range(1, 7)]  # 3 recipes x 2 metrics
    told.clear()
    export(folder, tmp_path / "all.parquet", progress)
    assert told == [(done, 3) for done in range(1, 4)]  # parts
    told.clear()
    write_curves(folder, tmp_path / "curves", progress)
    assert told[-1] == (6, 6)


def test_no_curves(folder: Path, tmp_path: Path) -> None:
    assert write_curves(folder, tmp_path / "curves") == []


def test_rows_are_exported(folder: Path, tmp_path: Path) -> None:
    whole = pyarrow.parquet.read_table(export(folder, tmp_path / "all.parquet"))
    assert whole.column_names == read_rows(folder).column_names
    assert whole["photo"].to_pylist() == read_rows(folder)["photo"].to_pylist()
    table = pyarrow.csv.read_csv(export(folder, tmp_path / "all.csv"))
    assert table.num_rows == 18
    assert table["error"].to_pylist().count("it is broken") == 1
    with pytest.raises(BadValue, match=r"\.parquet or \.csv"):
        export(folder, tmp_path / "all.xlsx")


def test_what_is_no_evaluation(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="there is no evaluation in"):
        summarise(tmp_path)
    save_json(tmp_path / "request.json", {"models": [], "recipes": [], "metrics": []})
    with pytest.raises(BadValue, match="there are no results in"):
        summarise(tmp_path)
    (tmp_path / PARTS).mkdir()
    (tmp_path / PARTS / "00-000000.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadValue, match="is damaged or something else"):
        summarise(tmp_path)


def test_a_table_is_of_the_parts_that_were_there_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run adds parts meanwhile, also before those that are there."""
    names = [f"insertion:step={step},curve=True" for step in (7, 9)]
    rows = [Row("b.png", "m", "r", name, None, [0.0, height]) for height, name in zip((0.5, 1.0), names, strict=True)]
    out = written(tmp_path / "out", rows, recipes=["r"], metrics=names)
    (out / PARTS / "00-000000.parquet").rename(out / PARTS / "00-000001.parquet")

    def adding(metric: str) -> Any:
        early = [Row("a.png", "m", "r", name, None, [7.0, 7.0]) for name in names]
        write_part(out / PARTS / "00-000000.parquet", early)
        return find_criterion(metric)

    monkeypatch.setattr("heatlens.evaluate.tables.table.find_criterion", adding)
    assert [one.value for one in summarise(out)] == [0.25, 0.5]
