"""Rows whose values are known by hand; runs that are killed, disturbed and repeated."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch
from torch import Tensor

from evaluate.conftest import bright, evaluate_and_die, evaluate_here, request_of, tiny, write_spot
from heatlens.evaluate import Item, ModelRequest, Request, read_rows, run, with_centre
from heatlens.evaluate.datasets.dataset import dataset
from heatlens.evaluate.results.rows import PARTS
from heatlens.measuring.measured import measured
from heatlens.metrics.criterion import find_criterion
from heatlens.recipes.naming import recipe_name
from heatlens.recipes.recipe import Recipe
from heatlens.words.errors import BadSetting, BadValue, HeatlensError, MissingExtra, UnknownName


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Everything but the time that it took."""
    found: list[dict[str, Any]] = read_rows(folder).drop_columns(["seconds"]).to_pylist()
    return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So that sums are added in one order, here and in other processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# rows


def test_values_known_by_hand(tmp_path: Path) -> None:
    """One white pixel on black, in a box, beside it, and half of two; the map is the brightness itself."""
    inside = write_spot(tmp_path / "inside.png", 10, 20)
    beside = write_spot(tmp_path / "beside.png", 10, 20)
    items = [
        Item("inside", inside, ("dog",), ((8.0, 18.0, 12.0, 24.0),)),
        Item("beside", beside, (2,), ((11.0, 18.0, 20.0, 24.0),)),
        Item("nowhere", beside, ("cat",)),
    ]
    metrics = ("pointing_game:tolerance=0.0", "energy_in_box")
    request = Request(dataset("spots", items), (tiny(),), (Recipe(bright),), metrics, target="label", part_size=2)
    found = {(row["photo"], row["metric"]): row for row in rows_of(run(request, tmp_path / "out"))}
    assert len(found) == 6
    for metric in metrics:
        assert found["inside", metric]["value"] == 1
        assert found["beside", metric]["value"] == 0
        assert found["nowhere", metric]["value"] != found["nowhere", metric]["value"]  # not defined
        assert found["inside", metric]["error"] is None
    assert [found[name, metrics[0]]["label"] for name in ("inside", "beside", "nowhere")] == [1, 2, 0]
    assert [found[name, metrics[0]]["class_name"] for name in ("inside", "beside", "nowhere")] == ["dog", "cow", "cat"]
    assert {row["model"] for row in found.values()} == {"tiny"}
    assert {row["recipe"] for row in found.values()} == {"bright"}


def test_a_broken_photo_is_rows_with_its_error(noise: list[Path], tmp_path: Path) -> None:
    whole = rows_of(run(request_of(noise), tmp_path / "whole"))
    noise[3].write_bytes(noise[3].read_bytes()[:100])
    noise[7].unlink()
    found = rows_of(run(request_of(noise), tmp_path / "out"))
    assert len(found) == len(whole) == 12 * 3 * 3
    errors = {row["photo"]: row["error"] for row in found if row["error"]}
    assert set(errors) == {"03.png", "07.png"}
    assert "damaged" in errors["03.png"]
    assert "There is no file" in errors["07.png"]
    assert sum(1 for row in found if row["error"]) == 2 * 3 * 3
    good = [row for row in found if not row["error"]]
    known = {(row["photo"], row["recipe"], row["metric"]): row["value"] for row in whole}
    for row in good:  # the company of a photo may change the last bits
        assert row["value"] == pytest.approx(known[row["photo"], row["recipe"], row["metric"]], rel=1e-4, abs=1e-6)


def damaged(item: Item) -> Item:
    raise IndexError("no such\nline")


def test_an_annotation_that_breaks_its_reader_is_rows_with_its_error(noise: list[Path], tmp_path: Path) -> None:
    items = [Item("a", noise[0], reading=damaged), Item("b", noise[1], (1,))]
    found = rows_of(run(request_of(noise, data=dataset("d", items)), tmp_path / "out"))
    assert {row["photo"]: row["error"] for row in found} == {"a": "IndexError: no such", "b": None}


def refusing(activations: Tensor) -> Tensor:
    """A method that fails for photos of one kind."""
    if bool((activations > 1e9).all()):
        return activations.sum(1)
    raise IndexError("no such\nthing")


def test_a_method_that_fails_does_not_spoil_the_others(noise: list[Path], tmp_path: Path) -> None:
    recipes = (Recipe("grad_cam"), Recipe(refusing), Recipe("grad_cam", layers=("head",)))
    found = rows_of(run(request_of(noise[:5], recipes=recipes), tmp_path / "out"))
    errors = {row["recipe"]: row["error"] for row in found}
    assert errors["grad_cam"] is None
    assert errors["refusing"] == "IndexError: no such"
    assert "head" in errors["grad_cam layers=head"]
    alone = rows_of(run(request_of(noise[:5], recipes=recipes[:1]), tmp_path / "alone"))
    assert [row for row in found if row["recipe"] == "grad_cam"] == alone


def test_what_a_model_cannot_give_is_found_out_once(
    noise: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def noted(subject: Any, photos: Any, recipes: Any, *rest: Any, **options: Any) -> Any:
        asked.append([str(recipe.method) for recipe in recipes])
        return measured(subject, photos, recipes, *rest, **options)

    monkeypatch.setattr("heatlens.evaluate.engines.unit.measured", noted)
    recipes = (Recipe("grad_cam"), Recipe("generic_attention"), Recipe("layer_cam"))
    found = rows_of(run(request_of(noise[:5], recipes=recipes, part_size=1, batch_size=1), tmp_path / "out"))
    apart, able = [["grad_cam"], ["generic_attention"], ["layer_cam"]], ["grad_cam", "layer_cam"]
    assert asked == [["grad_cam", "generic_attention", "layer_cam"], *apart, *[able] * 5]
    errors = [row["error"] for row in found if row["recipe"] == "generic_attention"]
    assert len(set(errors)) == 1
    assert "runs no attention" in errors[0]
    others = rows_of(run(request_of(noise[:5], recipes=recipes[::2], part_size=1, batch_size=1), tmp_path / "others"))
    assert [row for row in found if row["recipe"] != "generic_attention"] == others


def test_a_class_that_the_model_lacks_is_an_error_only_where_it_is_asked(noise: list[Path], tmp_path: Path) -> None:
    data = dataset("d", [Item("a", noise[0], ("whale",), ((1.0, 1.0, 5.0, 5.0),))])
    asked = rows_of(run(request_of(noise, data=data), tmp_path / "asked"))
    assert all("whale" in row["error"] for row in asked)
    predicted = rows_of(run(request_of(noise, data=data, target=None), tmp_path / "predicted"))
    assert all(row["error"] is None and row["label"] is None for row in predicted)


def test_an_absent_package_ends_the_run(noise: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> Any:
        raise MissingExtra("the package x is not installed")

    monkeypatch.setattr("heatlens.evaluate.engines.unit.measured", absent)
    with pytest.raises(MissingExtra):
        run(request_of(noise), tmp_path / "out")


@pytest.mark.parametrize(
    ("asked", "error", "said", "workers"),
    [
        ({"recipes": (Recipe("grad_cam"), Recipe("grad_cam", layers=("layer9",)))}, UnknownName, "layer9", 1),
        ({"recipes": (Recipe("grad_cam"), Recipe("rise", (("p", 2.0),)))}, BadSetting, "p=2", 2),
        ({"criteria": ("energy_in_box", "deletion:step=0")}, BadSetting, "step=0", 1),
        ({"target": "whale"}, UnknownName, "whale", 1),
    ],
)
def test_what_no_photo_could_mend_ends_the_run(
    noise: list[Path], tmp_path: Path, asked: dict[str, Any], error: type[Exception], said: str, workers: int
) -> None:
    """And holds no folder: the mended request goes there."""
    model = tiny() if workers == 1 else ModelRequest("bundled", "bundled")
    with pytest.raises(error, match=said):
        run(request_of(noise[:4], models=(model,), **asked), tmp_path / "out", workers=workers)
    assert len(rows_of(run(request_of(noise[:4]), tmp_path / "out"))) == 4 * 3 * 3


def test_every_model_is_tried_before_the_rest_of_the_first(noise: list[Path], tmp_path: Path) -> None:
    models = (tiny(), replace(tiny(), name="other"))
    out = tmp_path / "out"
    begun: list[list[str]] = []
    run(request_of(noise[:6], models=models), out, watch=lambda *_: begun.append(parts_there(out)))
    assert begun[2] == ["00-000000.parquet", "01-000000.parquet"]
    assert len(begun[-1]) == 6


def parts_there(folder: Path) -> list[str]:
    return sorted(part.name for part in (folder / PARTS).glob("*.parquet"))


def test_values_do_not_depend_on_how_the_work_is_cut(noise: list[Path], tmp_path: Path) -> None:
    """Metrics that draw, too: the draw belongs to the photo."""
    criteria = ("sensitivity_n", "infidelity", "deletion:step=256")
    tables = []
    for size in (1, 3, 5):
        request = request_of(noise[:5], criteria=criteria, part_size=size, batch_size=size)
        tables.append(rows_of(run(request, tmp_path / str(size))))
    for other in tables[1:]:
        for one, two in zip(tables[0], other, strict=True):
            assert (one["photo"], one["recipe"], one["metric"]) == (two["photo"], two["recipe"], two["metric"])
            assert one["value"] == pytest.approx(two["value"], rel=1e-3, abs=1e-5, nan_ok=True)


def test_recipes_are_said_in_one_line() -> None:
    recipe = Recipe("score_cam", (("top", 24), ("score", "logit")), ("a.1", "b"), "product", "noise:samples=2")
    assert recipe_name(recipe) == "score_cam:top=24,score=logit layers=a.1+b fuse=product average=noise:samples=2"
    assert recipe_name(Recipe(bright)) == "bright"


def test_the_centre_stands_beside_what_finds_places() -> None:
    local, other = find_criterion("pointing_game"), find_criterion("deletion")
    assert [recipe_name(r) for r in with_centre([Recipe()], [local, other])] == ["grad_cam", "centre"]
    assert len(with_centre(with_centre([Recipe()], [local]), [local])) == 2
    assert [recipe_name(r) for r in with_centre([Recipe()], [other])] == ["grad_cam"]


def test_the_centre_is_the_centre() -> None:
    (recipe,) = with_centre([], [find_criterion("energy_in_box")])
    maps = recipe.entry.function(torch.zeros(2, 3, 5, 9))
    assert maps.shape == (2, 5, 9)
    assert torch.equal(maps, maps.flip(-1))
    assert torch.equal(maps, maps.flip(-2))
    assert int(maps[0].argmax()) == 2 * 9 + 4
    assert float(maps[0, 2, 4]) == 1
    # (0.8, 0) and (0, 8/9) from the middle, sigma 0.5: exp(-2 d^2)
    assert float(maps[0, 0, 4]) == pytest.approx(0.2780373, rel=1e-5)
    assert float(maps[0, 2, 0]) == pytest.approx(0.2059239, rel=1e-5)


# the folder


def test_a_finished_run_does_nothing_again(noise: list[Path], tmp_path: Path) -> None:
    out = run(request_of(noise), tmp_path / "out")
    times = {part: part.stat().st_mtime_ns for part in (out / PARTS).iterdir()}
    assert sorted(part.name for part in times) == [f"00-{i:06d}.parquet" for i in range(6)]
    told: list[tuple[int, int]] = []
    run(request_of(noise), out, watch=lambda photos, rows: told.append((photos, len(rows))))
    assert told == [(12, 0)]
    assert times == {part: part.stat().st_mtime_ns for part in (out / PARTS).iterdir()}


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"criteria": ("energy_in_box",)}, "metrics"),
        ({"recipes": (Recipe("grad_cam"),)}, "recipes"),
        ({"target": 2}, "target"),
        ({"seed": 5}, "seed"),
        ({"part_size": 3}, "part_size"),
        ({"models": (ModelRequest("other", "bundled"),)}, "models"),
        ({"data": None}, "photos"),
        ({"data": "other boxes"}, "truth"),
    ],
)
def test_another_request_in_the_same_folder_is_refused(
    noise: list[Path], tmp_path: Path, changed: dict[str, Any], key: str
) -> None:
    if changed.get("data", "") is None:
        changed = {"data": dataset("other", [Item("00.png", noise[0]), Item("02.png", noise[1])])}
    elif "data" in changed:
        moved = [replace(item, boxes=((0.0, 0.0, 9.0, 9.0),)) for item in request_of(noise[:2]).data.items]
        changed = {"data": dataset("noise", moved)}
    out = run(request_of(noise[:2]), tmp_path / "out")
    before = rows_of(out)
    with pytest.raises(BadValue, match=f"another evaluation: its {key} is") as error:
        run(request_of(noise[:2], **changed), out)
    assert "choose another folder" in str(error.value)
    assert rows_of(out) == before


def test_a_request_that_came_to_nothing_holds_no_folder(noise: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="bundle"):
        run(request_of(noise[:2], models=(ModelRequest("tiny", "bundle"),)), tmp_path / "out")
    assert len(rows_of(run(request_of(noise[:2]), tmp_path / "out"))) == 2 * 3 * 3


def test_folders_of_before_the_truth_was_noted_are_carried_on(noise: list[Path], tmp_path: Path) -> None:
    out = run(request_of(noise[:2]), tmp_path / "out")
    record = json.loads((out / "request.json").read_text())
    del record["truth"]
    (out / "request.json").write_text(json.dumps(record))
    assert run(request_of(noise[:2]), out) == out


def test_weights_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    digests = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        digests.append(ModelRequest("m", "bundled", str(file)).record()["weights"])
    assert digests[0] == digests[2] != digests[1]


def test_two_runs_do_not_write_in_one_folder(noise: list[Path], tmp_path: Path) -> None:
    request = request_of(noise)

    def second(photos: int, rows: Any) -> None:
        with pytest.raises(BadValue, match="another run is writing"):
            run(request, tmp_path / "out")

    run(request, tmp_path / "out", watch=second)


@pytest.mark.parametrize("twice", [{"recipes": (Recipe(), Recipe())}, {"models": (tiny(), tiny())}, {"criteria": ()}])
def test_what_cannot_be_told_apart_is_refused(noise: list[Path], twice: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=r"asked for twice|no metric"):
        request_of(noise, **twice)


# killed


@pytest.fixture(scope="module")
def server() -> Any:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["evaluate.conftest", "heatlens.methods", "heatlens.metrics", "pyarrow.parquet"])
    return context


def ended(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


def test_killed_at_random_moments(server: Any, noise: list[Path], tmp_path: Path) -> None:
    whole = rows_of(run(request_of(noise, part_size=1), tmp_path / "whole"))
    moments = random.Random(0)
    out, killed, seen = tmp_path / "out", 0, set()
    for _ in range(60):
        before = len(list((out / PARTS).glob("*.parquet")))
        process = server.Process(target=evaluate_here, args=(noise, out))
        process.start()
        while process.is_alive() and len(list((out / PARTS).glob("*.parquet"))) == before:
            time.sleep(0.002)  # at least one part more each time
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        if ended(process) == 0:
            break
        killed += 1
        seen.add(len(list((out / PARTS).glob("*.parquet"))))
    else:
        pytest.fail("never came to an end")
    assert killed >= 2
    assert len(seen) >= 2
    assert rows_of(out) == whole


@pytest.mark.parametrize("at", [1, 2, 5])
def test_killed_while_a_file_is_put_in_place(server: Any, noise: list[Path], tmp_path: Path, at: int) -> None:
    out = tmp_path / "out"
    process = server.Process(target=evaluate_and_die, args=(noise, out, at))
    process.start()
    assert ended(process) == -signal.SIGKILL
    assert len(list((out / PARTS).glob("[0-9]*"))) == max(0, at - 2)  # the first file is the request
    run(request_of(noise), out)
    assert rows_of(out) == rows_of(run(request_of(noise), tmp_path / "whole"))
    assert list((out / PARTS).glob(".*")) == []


def test_a_part_is_a_whole_parquet_file_with_documented_columns(noise: list[Path], tmp_path: Path) -> None:
    out = run(request_of(noise[:2], criteria=("max_box_acc", "energy_in_box")), tmp_path / "out")
    (part,) = (out / PARTS).iterdir()
    table = pyarrow.parquet.read_table(part)
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "photo": "string", "model": "string", "recipe": "string", "metric": "string", "value": "double",
        "values": "list<element: double>", "label": "int32", "class_name": "string",
        "error": "string", "seconds": "float",
    }  # fmt: skip
    curve = next(row for row in table.to_pylist() if row["metric"] == "max_box_acc")
    assert curve["value"] is None
    assert len(curve["values"]) == 255


# several processes


SCRIPT = """
import sys
from pathlib import Path
from heatlens.evaluate import ModelRequest, Request, open_dataset, run
from heatlens.recipes.recipe import Recipe

def request(photos):
    data = open_dataset(f"folder:{photos}")
    return Request(data, (ModelRequest("m", "bundled"),), (Recipe("grad_cam"), Recipe("eigen_cam")),
                   ("deletion:step=4096",), part_size=1)

if __name__ == "__main__":
    run(request(sys.argv[1]), sys.argv[2], workers=int(sys.argv[3]))
"""


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(words[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_workers_that_are_killed_are_replaced_and_die_with_their_parent(noise: list[Path], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(noise[0].parent)]

    def start(out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, str(out), "2"], env=environment)

    def parts(out: Path) -> int:
        return len(list((out / PARTS).glob("[0-9]*")))

    def until_parts(out: Path, count: int, running: subprocess.Popen[bytes]) -> None:
        while parts(out) < count and running.poll() is None:
            time.sleep(0.01)

    running = start(tmp_path / "out")
    until_parts(tmp_path / "out", 2, running)
    victims = [p for p in descendants(running.pid) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    os.kill(victims[-1], signal.SIGKILL)
    until_parts(tmp_path / "out", 5, running)
    others = descendants(running.pid)
    running.kill()  # the parent, in the middle
    running.wait(60)
    for pid in others:
        for _ in range(500):
            if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
                break
            time.sleep(0.02)
        else:
            pytest.fail("a worker outlived its parent")
    namespace: dict[str, Any] = {"__name__": "script"}
    exec(SCRIPT, namespace)
    request = namespace["request"](noise[0].parent)
    run(request, tmp_path / "out")
    assert rows_of(tmp_path / "out") == rows_of(run(request, tmp_path / "whole"))


def test_several_devices_get_a_process_each(noise: list[Path], tmp_path: Path) -> None:
    request = replace(request_of(noise), models=(ModelRequest("m", "bundled"),))
    shared = run(request, tmp_path / "shared", device="cpu, cpu")
    assert rows_of(shared) == rows_of(run(request, tmp_path / "alone"))
    with pytest.raises(HeatlensError, match="device 'nowhere' cannot be used"):
        run(request, tmp_path / "other", device="cpu,nowhere")


def test_a_built_network_stays_where_it_is(noise: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="which is built"):
        run(request_of(noise), tmp_path / "out", workers=2)
    with pytest.raises(BadValue, match="the engine 'spark'"):
        run(request_of(noise), tmp_path / "other", engine="spark")  # type: ignore[arg-type]


def test_what_travels_is_words(noise: list[Path]) -> None:
    request = replace(request_of(noise), models=(ModelRequest("m", "bundled"),))
    sent = request.sent()
    assert sent.data.items == ()
    assert sent.criteria == ("pointing_game:tolerance=0.0", "energy_in_box", "deletion:step=128")
