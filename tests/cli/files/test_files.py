"""Nothing that a command writes is lost: names tell maps apart, nothing is overwritten unasked, JSON is added to."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from pycocotools.coco import COCO

from heatlens.cli.files.records import Records
from heatlens.images import relative

pytestmark = pytest.mark.usefixtures("model")
OUT = Path("heatlens-out")


def entries(name: str = "explanations", folder: Path = OUT) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


def pictures(folder: Path = OUT) -> list[str]:
    return sorted(path.stem.removeprefix("photo0-tiny-") for path in folder.glob("*.png"))


ASKED: dict[str, Sequence[str]] = {
    "grad_cam-dog": (),
    "grad_cam-body.0-dog": ("--layers", "body.0"),
    "grad_cam-body.0+relu-dog": ("--layers", "body.0", "--layers", "relu"),
    "grad_cam-all-maximum-dog": ("--layers", "all", "--fuse", "maximum"),
    "grad_cam-flips-dog": ("--average", "flips"),
    "grad_cam-noise_samples_2_sigma_0.1-dog": ("--average", "noise:samples=2,sigma=0.1"),
    "grad_cam_summing_eigen-dog": ("--set", "summing=eigen"),
    "fem-dog": ("--method", "fem"),
    "fast-dog": ("--recipe", "fast"),
    "size_16-grad_cam-dog": ("--size", "16"),
    "mean_0.1_0.2_0.3-resize_squash-grad_cam-dog": ("--mean", "0.1,0.2,0.3", "--resize", "squash"),
    "bf16": ("--precision", "bf16"),
}


def test_what_differs_has_another_name_and_what_is_usual_is_not_in_it(run: Any, photos: list[Path]) -> None:
    for k, words in enumerate(ASKED.values(), 1):
        assert run("explain", photos[0], "-m", "tiny", "-t", "dog", *words).code == 0
        assert len(pictures()) == len(entries()) == k
    expected = [name if name != "bf16" else "precision_bf16-grad_cam-dog" for name in ASKED]
    assert pictures() == sorted(expected)
    assert [e["id"] for e in entries()] == [f"photo0-tiny-{name}" for name in expected]
    assert len({e["recipe"] for e in entries()}) == len(ASKED) - 3  # size, mean and precision are the model's


def test_a_map_of_each_layer_has_the_layers_name(run: Any, photos: list[Path]) -> None:
    layers = ("--layers", "body.0", "--layers", "relu", "--fuse", "none")
    assert run("explain", photos[0], "-m", "tiny", "-t", "dog", *layers, "--save", "png,grid,npy").code == 0
    assert pictures() == ["grad_cam-body.0+relu-each-dog-grid", "grad_cam-body.0-dog", "grad_cam-relu-dog"]
    one, other = (np.load(OUT / f"photo0-tiny-grad_cam-{layer}-dog.npy") for layer in ("body.0", "relu"))
    assert not np.array_equal(one, other)


def test_a_request_with_a_long_name_still_has_its_own(run: Any, photos: list[Path]) -> None:
    long = [word for k in range(30) for word in ("--set", "summing=plain", "--layers", ("body.0", "relu")[k % 2])]
    for extra in ((), ("--layers", "body.1")):
        assert run("explain", photos[0], "-m", "tiny", "-t", "dog", *long, *extra).code == 0
    names = pictures()
    assert len(names) == 2
    assert max(len(f"photo0-tiny-{name}".encode()) for name in names) <= 150


def test_the_same_again_changes_nothing(run: Any, photos: list[Path]) -> None:
    words = ("-m", "tiny", "-M", "grad_cam", "-M", "fem", "--save", "png,npy,json,grid")
    assert run("explain", "photos", *words).code == 0
    before = {path: path.read_bytes() for path in OUT.iterdir()}
    said = run("explain", "photos", *words)
    assert (said.code, said.err) == (0, "")
    assert {path: path.read_bytes() for path in OUT.iterdir()} == before


def test_a_photo_more_changes_the_batches_and_not_the_files(run: Any, photos: list[Path]) -> None:
    words = ("-m", "tiny", "-t", "dog", "--batch-size", 3)
    for command in (("explain", "--save", "png,npy,json"), ("locate", "--save", "heat", "--format", "coco")):
        assert run(*command, *photos[1:], *words).code == 0
        assert run(*command, "photos", *words).code == 0
    assert len(entries()) == len(entries("boxes")) == 4


@pytest.mark.parametrize("command", [("explain",), ("explain", "--save", "grid"), ("locate", "--save", "heat")])
def test_something_else_is_refused_at_once_and_allowed_with_overwrite(
    run: Any, photos: list[Path], command: Sequence[str]
) -> None:
    asked = (*command, "-m", "tiny", "-t", "dog")
    assert run(*asked, "photos").code == 0
    before = {path: path.read_bytes() for path in OUT.iterdir()}
    for photo in photos:  # other photos of the same names
        Image.fromarray(255 - np.asarray(Image.open(photo))).save(photo)
    refused = run(*asked, "photos")
    assert (refused.code, refused.out) == (2, "")
    (line,) = refused.err.splitlines()
    assert ".png is there already, and holds something else." in line
    assert line.endswith("--overwrite.")
    assert {path: path.read_bytes() for path in OUT.iterdir()} == before
    assert run(*asked, "photos", "--overwrite").code == 0
    assert {path.name for path in OUT.iterdir()} == {path.name for path in before}
    changed = [path for path, data in before.items() if path.read_bytes() != data]
    assert len([path for path in changed if path.suffix == ".png"]) == 4


def test_one_file_in_the_way_later_on_does_not_end_the_run(run: Any, photos: list[Path]) -> None:
    OUT.mkdir()
    (OUT / "photo2-tiny-grad_cam-dog.png").write_bytes(b"mine")
    said = run("explain", "photos", "-m", "tiny", "-t", "dog")
    assert said.code == 1
    assert [e["stem"] for e in entries()] == ["photo0", "photo1", "photo3"]
    assert said.err.startswith(f"heatlens: {photos[2].relative_to(Path.cwd())}: heatlens-out/photo2-tiny-grad_cam-dog")
    assert said.out.splitlines()[-1].endswith(f"explanations.json, without {photos[2].relative_to(Path.cwd())}")
    assert (OUT / "photo2-tiny-grad_cam-dog.png").read_bytes() == b"mine"


def test_json_is_added_to_by_every_run(run: Any, photos: list[Path]) -> None:
    for k, photo in enumerate(photos, 1):
        said = run("explain", photo, "-m", "tiny", "-t", "dog")
        assert said.out.splitlines()[-1] == "1 explanation in heatlens-out/explanations.json"
        assert run("locate", photo, "-m", "tiny", "-t", "dog").code == 0
        assert len(entries()) == len(entries("boxes")) == k
    run("explain", photos[1], "-m", "tiny", "-t", "dog", "--save", "npy")
    assert [e["stem"] for e in entries()] == [f"photo{k}" for k in range(4)]
    assert entries()[1]["files"] == ["photo1-tiny-grad_cam-dog.npy", "photo1-tiny-grad_cam-dog.png"]
    (OUT / "photo1-tiny-grad_cam-dog.png").unlink()
    run("explain", photos[1], "-m", "tiny", "-t", "dog", "--save", "json")
    assert entries()[1]["files"] == ["photo1-tiny-grad_cam-dog.json", "photo1-tiny-grad_cam-dog.npy"]


def test_paths_lead_from_the_jsons_own_folder(run: Any, photos: list[Path], tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for here, photo, out in (
        (".", "photos/photo0.png", "out/deep"),
        ("elsewhere", "../photos/photo0.png", "../out/deep"),
        ("elsewhere", photos[1], tmp_path / "out/deep"),
        (".", "photos/photo2.png", "link"),
        (".", "photos/photo3.png", "photos"),
    ):
        monkeypatch.chdir(tmp_path / here)
        assert run("explain", photo, "-m", "tiny", "--out", out).code == 0
        assert run("locate", photo, "-m", "tiny", "--out", out, "--format", "coco").code == 0
    monkeypatch.chdir("/")
    for folder, count in (("out/deep", 2), ("real", 1), ("photos", 1)):
        for name in ("explanations", "boxes"):
            found = entries(name, tmp_path / folder)
            assert len(found) == count
            assert all((tmp_path / folder / path).is_file() for e in found for path in (e["photo"], *e["files"]))
        read = COCO(tmp_path / folder / "coco.json")
        assert all((tmp_path / folder / image["file_name"]).is_file() for image in read.imgs.values())


def test_photos_of_one_name_in_two_runs(run: Any, photos: list[Path]) -> None:
    other = Path("inner")
    other.mkdir()
    (other / "photo0.png").write_bytes(photos[1].read_bytes())
    for _ in range(2):
        for photo in (photos[0], other / "photo0.png"):
            assert run("explain", photo, "-m", "tiny", "-t", "dog").code == 0
    assert pictures() == ["grad_cam-dog", "photo0-2-tiny-grad_cam-dog"]
    assert [(e["stem"], e["photo"]) for e in entries()] == [
        ("photo0", "../photos/photo0.png"), ("photo0-2", "../inner/photo0.png"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '[{"files": []}]', "\x00"])
@pytest.mark.parametrize(("command", "name"), [("explain", "explanations.json"), ("locate", "boxes.json")])
def test_json_of_somebody_else_is_left_alone(run: Any, photos: list[Path], command: str, name: str, text: str) -> None:
    OUT.mkdir()
    (OUT / name).write_text(text)
    said = run(command, photos[0], "-m", "tiny")
    assert (said.code, said.out) == (2, "")
    assert "Expected entries that heatlens wrote, to add to" in said.err
    assert len(said.err.splitlines()) == 1
    assert [path.name for path in OUT.iterdir()] == [name]
    assert (OUT / name).read_text() == text


def test_entries_of_heatlens_0_1_stay(run: Any, photos: list[Path]) -> None:
    OUT.mkdir()
    old = [{"photo": "photos/photo0.png", "method": "grad_cam", "files": ["heatlens-out/photo0-grad_cam-dog.png"]}] * 2
    (OUT / "explanations.json").write_text(json.dumps(old))
    assert run("explain", photos[0], "-m", "tiny").code == 0
    assert entries()[:2] == old
    assert len(entries()) == 3


def test_two_runs_at_once_lose_none_of_each_others_entries(tmp_path: Path) -> None:
    def add(k: int) -> None:
        for i in range(10):
            records = Records(tmp_path / "e.json")
            records.add({"id": f"{k}-{i}", "stem": f"{k}", "photo": "x", "files": []})
            records.write()

    threads = [threading.Thread(target=add, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e["id"] for e in entries("e", tmp_path)} == {f"{k}-{i}" for k in range(6) for i in range(10)}


ADD = """
import sys
from pathlib import Path
from heatlens.cli.files.records import Records
records = Records(Path("e.json"))
for i in range(20):
    records.add({"id": f"{sys.argv[1]}-{i}", "stem": "s", "photo": "x", "files": []})
    records.write()
"""


def test_nor_do_two_processes(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ADD]
    running = [subprocess.Popen([*words, str(k)], cwd=tmp_path) for k in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert len(entries("e", tmp_path)) == 60


class TestAnnotations:
    """COCO's and Pascal VOC's forms are added to and never replace what somebody else wrote."""

    def test_coco_is_added_to_photo_by_photo(self, run: Any, photos: list[Path]) -> None:
        for photo in photos:
            assert run("locate", photo, "-m", "tiny", "-t", "dog", "--format", "coco").code == 0
        assert len(COCO(OUT / "coco.json").imgs) == 4
        assert run("locate", "photos", "-m", "tiny", "-t", "dog", "--format", "coco").code == 0
        assert len(COCO(OUT / "coco.json").anns) == sum(len(e["boxes"]) for e in entries("boxes"))

    def test_other_boxes_of_a_photo_need_to_be_allowed(self, run: Any, photos: list[Path]) -> None:
        asked = ("locate", "photos", "-m", "tiny", "-t", "dog", "--format")
        for form, file in (("coco", "coco.json"), ("voc", "photo0.xml")):
            assert run(*asked, form).code == 0
            before = (OUT / file).read_bytes()
            said = run(*asked, form, "--threshold", "0.8")
            assert said.code == 2
            assert "--overwrite" in said.err
            assert (OUT / file).read_bytes() == before
            assert run(*asked, form, "--threshold", "0.8", "--overwrite").code == 0
            assert (OUT / file).read_bytes() != before
        assert len(COCO(OUT / "coco.json").imgs) == 4

    @pytest.mark.parametrize(("form", "file"), [("coco", "coco.json"), ("voc", "photo0.xml")])
    def test_somebody_elses_stay(self, run: Any, photos: list[Path], form: str, file: str) -> None:
        OUT.mkdir()
        (OUT / file).write_text('{"images": []}')
        said = run("locate", photos[0], "-m", "tiny", "--format", form)
        assert said.code == 2
        assert "is there already" in said.err
        assert [path.name for path in OUT.iterdir()] == [file]
        assert (OUT / file).read_text() == '{"images": []}'


def test_exports_of_a_table(run: Any, photos: list[Path]) -> None:
    assert run("evaluate", "photos", "--model", "tiny", "--metric", "complexity", "-o", "out").code == 0
    Path("rows.csv").write_text("mine")
    for words in (("--rows", "rows.csv"), ("--curves", "curves")):
        if words[0] == "--curves":
            deletion = ("--metric", "deletion:step=256,curve=true", "-o", "out2")
            assert run("evaluate", "photos", "--model", "tiny", *deletion).code == 0
            Path("curves").mkdir()
            Path("curves/curves.csv").write_text("mine")
        folder = "out2" if words[0] == "--curves" else "out"
        said = run("table", folder, *words)
        assert said.code == 2
        assert "is there already, and holds something else" in said.err
        assert run("table", folder, *words, "--overwrite").code == 0
        assert run("table", folder, *words).code == 0  # the same again
    assert Path("rows.csv").read_text() != "mine"


def test_relative_paths(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert relative("a/b.png", "a") == "b.png"
    assert relative("b.png", "a/c") == "../../b.png"
    assert relative(tmp_path / "b.png", ".") == "b.png"

    def none(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", none)
    assert relative("b.png", ".") == (tmp_path / "b.png").as_posix()


@pytest.mark.parametrize(
    ("error", "code"), [(NotImplementedError("no flock"), 0), (PermissionError(13, "Permission denied"), 2)]
)
def test_where_there_is_no_lock_to_be_had(
    run: Any, photos: list[Path], monkeypatch: Any, error: Any, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    said = run("locate", photos[0], "-m", "tiny", "--save", "none")
    assert said.code == code
    assert (OUT / "boxes.json").exists() is not bool(code)
    assert ("boxes.json cannot be written: [Errno 13] Permission denied" in said.err) is bool(code)


def test_lines_tell_maps_apart(run: Any, photos: list[Path]) -> None:
    layers = ("--layers", "body.0", "--layers", "relu", "--fuse", "none")
    said = run("explain", photos[0], "-m", "tiny", "-t", "dog", "-t", "cat", "-M", "fem", "-M", "grad_cam", *layers)
    assert [line.split("  ")[1] for line in said.out.splitlines()[1:-1]] == [
        f"{method} layers={layer}" for method in ("fem", "grad_cam") for layer in ("body.0", "relu") for _ in range(2)
    ]
