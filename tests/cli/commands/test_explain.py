"""heatlens explain: files, words, exit codes."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.models import Subject
from heatlens.words.errors import ScoreIndifferent

pytestmark = pytest.mark.usefixtures("model")


def records(folder: Path = Path("heatlens-out")) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "explanations.json").read_text("utf-8"))
    return found


def names(folder: Path = Path("heatlens-out")) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_picture_a_record_and_a_line_for_every_photo_method_and_target(run: Any, photos: list[Path]) -> None:
    said = run("explain", photos[0], "-m", "tiny", "-M", "grad_cam", "-M", "Eigen-CAM", "-t", "dog", "-t", 2)
    assert (said.code, said.err.count("Error")) == (0, 0)
    assert names() == [
        "explanations.json",
        "photo0-tiny-eigen_cam-cow.png",
        "photo0-tiny-eigen_cam-dog.png",
        "photo0-tiny-grad_cam-cow.png",
        "photo0-tiny-grad_cam-dog.png",
    ]
    assert [(r["method"], r["target"]) for r in records()] == [
        ("grad_cam", {"index": 1, "name": "dog"}),
        ("grad_cam", {"index": 2, "name": "cow"}),
        ("eigen_cam", {"index": 1, "name": "dog"}),
        ("eigen_cam", {"index": 2, "name": "cow"}),
    ]
    lines = said.out.splitlines()
    assert lines[0].startswith("photo0: ")
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["grad_cam", "dog"],
        ["grad_cam", "cow"],
        ["eigen_cam", "dog"],
        ["eigen_cam", "cow"],
    ]
    assert len({line.index("peak at") for line in lines[1:5]}) == 1  # columns
    assert len({line.index("heatlens-out/") for line in lines[1:5]}) == 1
    assert lines[5] == "4 explanations in heatlens-out/explanations.json"


@pytest.mark.parametrize(
    ("asked", "layers"),
    [
        (["-1"], ["relu"]),
        (["4"], ["body"]),
        (["stage:-1"], ["relu"]),
        (["stage:all"], ["body.1", "relu"]),
        (["1..3"], ["body.1", "body.2", "body.3"]),
        (["all"], ["body.0", "body.1", "body.2", "body.3", "body", "relu"]),
    ],
)
def test_layers_by_number_stage_and_range(run: Any, photos: list[Path], asked: list[str], layers: list[str]) -> None:
    said = run("explain", photos[0], "-m", "tiny", *(word for name in asked for word in ("--layers", name)))
    assert (said.code, said.err) == (0, "")
    assert records()[0]["layers"] == layers
    assert run("locate", photos[0], "-m", "tiny", *(word for name in asked for word in ("--layers", name))).code == 0


def test_the_record_holds_what_was_found(run: Any, photos: list[Path], model: Subject) -> None:
    run("explain", photos[1], "--model", "tiny", "--method", "hires_cam", "--save", "png,npy", "--out", "here")
    (record,) = records(Path("here"))
    expected = heatlens.explain(model, photos[1], method="hires_cam")
    assert set(record) == {
        "id", "stem", "photo", "model", "method", "recipe", "settings", "layers", "target", "score", "probability",
        "peak", "files", "warnings",
    }  # fmt: skip
    assert record["photo"] == "../photos/photo1.png"
    assert record["recipe"] == "hires_cam layers=relu"
    assert (record["id"], record["stem"]) == (f"photo1-tiny-hires_cam-{expected.name}", "photo1")
    assert (record["model"], record["method"], record["layers"]) == ("tiny", "hires_cam", ["relu"])
    assert record["target"] == {"index": expected.index, "name": expected.name}
    assert record["score"] == pytest.approx(expected.score, abs=1e-5)
    assert record["probability"] == pytest.approx(expected.probability, abs=1e-5)
    assert record["files"] == [f"photo1-tiny-hires_cam-{expected.name}.{kind}" for kind in ("png", "npy")]
    heat = np.load(Path("here", record["files"][1]))
    x, y = record["peak"]
    assert heat.shape == (40, 20)
    assert heat[y, x] == heat.max()


def test_a_blank_map_has_no_peak(run: Any, photos: list[Path], model: Subject) -> None:
    for parameter in model.model.parameters():
        torch.nn.init.zeros_(parameter)
    said = run("explain", photos[0], "-m", "tiny", "--method", "hires_cam", "--peak")
    assert "  no peak  " in said.out
    assert "the map is blank" in said.err
    assert records()[0]["peak"] is None


def test_folders_patterns_and_names_each_photo_once(run: Any, photos: list[Path]) -> None:
    assert run("explain", "photos", "photos/*.png", photos[0], "-m", "tiny").code == 0
    assert [Path(r["photo"]).name for r in records()] == [path.name for path in photos]


def test_photos_with_one_name_do_not_overwrite_each_other(run: Any, photos: list[Path]) -> None:
    other = photos[0].parent / "inner"
    other.mkdir()
    (other / "photo0.png").write_bytes(photos[1].read_bytes())
    run("explain", photos[0], other / "photo0.png", "-m", "tiny", "-t", "dog")
    assert names() == ["explanations.json", "photo0-2-tiny-grad_cam-dog.png", "photo0-tiny-grad_cam-dog.png"]


def test_top_explains_the_strongest_predictions(run: Any, photos: list[Path], model: Subject) -> None:
    run("explain", photos[0], "-m", "tiny", "--top", 3)
    expected = [name for name, _ in heatlens.explain(model, photos[0]).predictions][:3]
    assert [r["target"]["name"] for r in records()] == expected


@pytest.mark.parametrize("size", [1, 2, 8])
def test_unreadable_photos_are_reported_and_the_rest_done(run: Any, photos: list[Path], size: int) -> None:
    (photos[0].parent / "broken.png").write_bytes(photos[0].read_bytes()[:60])
    (photos[0].parent / "text.jpg").write_text("hello")
    said = run("explain", "photos", "gone.png", "-m", "tiny", "--batch-size", size)
    assert said.code == 1
    assert [Path(r["photo"]).name for r in records()] == [path.name for path in photos]
    complaints = said.err.splitlines()
    assert len(complaints) == 3
    assert complaints[0].startswith("heatlens: photos/broken.png ")
    assert complaints[1].startswith("heatlens: photos/text.jpg is not a photo that can be read. Expected JPEG")
    assert complaints[2].startswith("heatlens: There is no file gone.png.")


def test_when_no_photo_can_be_done_nothing_was(run: Any, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    assert run("explain", "text.jpg", "-m", "tiny").code == 2
    assert not Path("heatlens-out").exists()


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ScoreIndifferent("the score does not depend on the layer"), "the score does not depend on the layer."),
        (RuntimeError("Kernel size can't be greater\nthan the input"), "RuntimeError: Kernel size can't be greater"),
        (MemoryError(), "MemoryError: "),
    ],
    ids=["heatlens", "torch", "memory"],
)
def test_one_photo_that_fails_does_not_spoil_its_batch(
    run: Any, photos: list[Path], monkeypatch: Any, size: int, failure: Exception, words: str
) -> None:
    from heatlens.asking import explain as ask

    explain = ask.explain_batch

    def sometimes(subject: Any, batch: Any, *asked: Any) -> Any:
        if any(photo.name == "photo2" for photo in batch):
            raise failure
        return explain(subject, batch, *asked)

    monkeypatch.setattr(ask, "explain_batch", sometimes)
    said = run("explain", *photos, "-m", "tiny", "--batch-size", size)
    assert said.code == 1
    assert [Path(r["photo"]).stem for r in records()] == ["photo0", "photo1", "photo3"]
    assert said.err == f"heatlens: {photos[2]}: {words}\n"
    assert said.out.splitlines()[-1] == f"3 explanations in heatlens-out/explanations.json, without {photos[2]}"


MISTAKES: list[tuple[list[Any], str]] = [
    (["--method", "gradcamm"], "No method is called 'gradcamm'. Close: "),
    (["--layers", "layer4"], "Gap has no layer 'layer4'. There are: body, "),
    (["--layers", "head"], "layer 'head' returns a tensor of shape (1, 4)"),
    (["--target", "dgo"], "No class is called 'dgo'. Close: dog"),
    (["--target", "4"], "the model has no class 4. Expected an index from 0 to 3"),
    (["--target", "-1"], "the model has no class -1"),
    (["--target", "#5"], "the model has no prediction #5. Expected #1 to #4"),
    (["--target", "against:dog"], "No kind of target is called 'against'"),
    (["--set", "gamma=1"], "grad_cam has no setting 'gamma'"),
    (["--set", "gamma"], "--set 'gamma'. Expected KEY=VALUE"),
    (["--method", "eigen_cam", "--set", "centred=maybe"], "centred='maybe'"),
    (["--average", "flops"], "No average is called 'flops'. Close: flips"),
    (["--average", "noise:sample=3"], "noise has no setting 'sample'. Close: samples"),
    (["--average", "noise:samples=0"], "samples=0"),
    (["--fuse", "median"], "No fusion is called 'median'"),
    (["--save", "gif"], "--save gif. Expected some of png, grid, npy, json"),
    (["--cmap", "jett"], "Close: jet"),
    (["--device", "gpu"], "device 'gpu' cannot be used: there is no such kind of device"),
    (["--mean", "half"], "--mean 'half'. Expected numbers such as 0.5"),
    (["--mean", "0.5,0.5"], "Expected 3 numbers"),
    (["--std", "0"], "standard deviation of 0"),
    (["--size", "big"], "--size 'big'"),
    (["--size", "0"], "at least 1"),
    (["--interpolation", "cubic"], "Close: bicubic"),
    (["--class-names", "nosuch.txt"], "classes='nosuch.txt': there is no such file"),
    (["--model-arg", "pad_type=same"], "pad_type for a model that is already built"),
    (["--weights", "gone.safetensors"], "no weights file 'gone.safetensors'"),
    (["--contour", "2"], ""),
    (["--model", "torchvision/resnet81"], "No torchvision model is called 'resnet81'"),
    (["--model", "timm/resnet81", "--weights", "none"], "No timm model is called 'resnet81'"),
    (["--model", "nosuch"], "no model is called 'nosuch'"),
    (["--batch-size", "0"], "Invalid value for '--batch-size'"),
    (["--precision", "int8"], "Invalid value for '--precision'"),
    (["--alpha", "2"], "Invalid value for '--alpha'"),
    (["--top", "0"], "Invalid value for '--top'"),
    (["--resize", "stretch"], "Invalid value for '--resize'"),
    (["--colour", "red"], "No such option"),
    (["--out", "photos/notes.txt"], "A file stands where a folder is needed"),
]


@pytest.mark.parametrize(
    ("words", "answer"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_mistakes_get_one_line_and_exit_code_2(run: Any, photos: list[Path], words: list[Any], answer: str) -> None:
    said = run("explain", *photos, "-m", "tiny", *words)
    assert said.code == 2
    assert answer in said.err
    assert said.out == ""
    assert not Path("heatlens-out").exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "Missing argument 'PHOTOS...'"),
        (["nosuch"], "No photo is found at nosuch"),
        (["empty"], "The folder empty holds no photo"),
        (["*.jpg"], "No photo is found at *.jpg"),
        (["https://example.org/cat.jpg"], "is an address on the network"),
    ],
)
def test_no_photos(run: Any, tmp_path: Path, words: list[str], answer: str) -> None:
    (tmp_path / "empty").mkdir()
    said = run("explain", *words, "-m", "tiny")
    assert (said.code, said.out) == (2, "")
    assert answer in said.err


def test_weights_that_are_not_numbers_are_said_once(run: Any, photos: list[Path], model: Subject) -> None:
    torch.nn.init.constant_(model.model.head.weight, float("nan"))
    said = run("explain", *photos, "-m", "tiny")
    assert said.code == 2
    assert said.err.splitlines() == [
        "heatlens: the weights 'head.weight' of Gap contain NaN or infinity. Expected finite weights."
    ]


def test_grey_alpha_and_16_bit_photos(run: Any, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([grey] * 4)).save(tmp_path / "alpha.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    said = run("explain", ".", "-m", "tiny", "--save", "npy", "-t", "cat")
    assert said.code == 0
    maps = {r["photo"]: np.load(Path("heatlens-out", r["files"][0])) for r in records()}
    assert {m.shape for m in maps.values()} == {(20, 30)}
    assert np.array_equal(maps["../grey.png"], maps["../deep.png"])


def test_quiet_says_nothing_but_errors(run: Any, photos: list[Path]) -> None:
    (photos[0].parent / "text.jpg").write_text("hello")
    said = run("explain", "photos", "-m", "tiny", "--quiet")
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert len(records()) == 4


def test_short_work_has_no_progress_bar(run: Any, photos: list[Path]) -> None:
    assert run("explain", *photos, "-m", "tiny").err == ""


def test_long_work_has_one_where_somebody_watches(run: Any, photos: list[Path], monkeypatch: Any) -> None:
    import io
    import time

    from heatlens.asking import explain as ask

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    explain, terminal = ask.explain_batch, Terminal()

    def slowly(*args: Any) -> Any:
        time.sleep(0.6)
        return explain(*args)

    monkeypatch.setattr(ask, "explain_batch", slowly)
    monkeypatch.setattr("sys.stderr", terminal)
    run("explain", *photos, "-m", "tiny", "--batch-size", 1, "-M", "ablation_cam")
    assert "/4 [" in terminal.getvalue()
    assert "photo" in terminal.getvalue()


def test_warnings_go_to_stderr_and_into_the_record(run: Any, photos: list[Path], model: Subject) -> None:
    for bias in (model.model.head.bias, model.model.head.weight):
        torch.nn.init.constant_(bias, -1.0)
    said = run("explain", photos[0], "-m", "tiny", "-t", "cat")
    (record,) = records()
    assert "the map is blank" in record["warnings"][0]
    assert said.err == f"photo0: {record['warnings'][0]}\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, None])
def test_what_is_finished_stays_when_interrupted(run: Any, photos: list[Path], monkeypatch: Any, stop: Any) -> None:
    from heatlens.asking import explain as ask

    explain = ask.explain_batch
    done: list[str] = []

    def until(subject: Any, batch: Any, *asked: Any) -> Any:
        if stop and len(done) == 2:
            raise stop
        done.append(batch[0].name)
        return explain(subject, batch, *asked)

    monkeypatch.setattr(ask, "explain_batch", until)
    said = run("explain", *photos, "-m", "tiny", "--batch-size", 1)
    assert said.code == (130 if stop else 0)
    assert len(records()) == (2 if stop else 4)
    assert all(Path("heatlens-out", file).exists() for record in records() for file in record["files"])
    assert ("heatlens: interrupted" in said.err) is bool(stop)


def test_a_grid_is_one_picture_per_photo(run: Any, photos: list[Path]) -> None:
    run("explain", *photos[:2], "-m", "tiny", "-M", "grad_cam", "-M", "fem", "--save", "grid", "--top", 2)
    files = [r["files"] for r in records()]
    assert all(len(own) == 1 for own in files)
    assert names() == ["explanations.json", *sorted({own[0] for own in files})]
    for k, photo in ((0, "photo0"), (4, "photo1")):
        found = "+".join(r["target"]["name"] for r in records()[k : k + 2])
        assert files[k : k + 4] == [[f"{photo}-tiny-grad_cam+fem-{found}-grid.png"]] * 4


def test_overrides_reach_the_model(run: Any, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("ant\nbee\n\ncrow\nduck\n")
    assert run("explain", photos[0], "-m", "tiny", "--class-names", "names.txt", "-t", "crow").code == 0
    assert records()[0]["target"] == {"index": 2, "name": "crow"}
    squashed = ["--size", "16x48", "--resize", "squash", "--mean", "0.1,0.2,0.3", "--std", "1"]
    assert run("explain", photos[0], "-m", "tiny", *squashed).code == 0


def test_several_layers_with_a_fusion_an_average_and_settings(run: Any, photos: list[Path]) -> None:
    words = [
        "-l",
        "body.0",
        "-l",
        "relu",
        "--fuse",
        "maximum",
        "--average",
        "flips",
        "-M",
        "eigen_cam",
        "--set",
        "centred=yes",
    ]
    assert run("explain", photos[0], "-m", "tiny", *words, "--precision", "bf16").code == 0
    (record,) = records()
    assert record["layers"] == ["body.0", "relu"]
    assert record["settings"] == {"centred": True}


def test_methods_that_look_at_all_photos_together_get_them_together(
    run: Any, photos: list[Path], monkeypatch: Any
) -> None:
    from heatlens.asking import explain as ask

    explain, sizes = ask.explain_batch, []

    def noted(subject: Any, batch: Any, *asked: Any) -> Any:
        sizes.append(len(batch))
        return explain(subject, batch, *asked)

    monkeypatch.setattr(ask, "explain_batch", noted)
    run(
        "explain", *photos, "-m", "tiny", "-M", "deep_feature_factorisation", "--batch-size", 1, "--set", "iterations=3"
    )
    assert sizes == [4]


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
@pytest.mark.parametrize("kinds", ["png,npy", "grid"])
def test_names_that_are_no_utf_8(run: Any, photos: list[Path], kinds: str) -> None:
    odd = [os.fsdecode(name) for name in (b"caf\xe9.png", b"caf\xe8.png", b"\xff\xfe.png")]
    for name in odd:
        (photos[0].parent / name).write_bytes(photos[1].read_bytes())
    said = run("explain", "photos", "-m", "tiny", "--save", kinds)
    assert (said.code, said.err) == (0, "")
    assert "caf\\udce9: " in said.out
    assert {Path(r["photo"]).name for r in records()} == {*odd, *(path.name for path in photos)}
    assert all(Path("heatlens-out", r["photo"]).exists() for r in records())
    files = [file for r in records() for file in r["files"]]
    assert len(set(files)) == len(files) == 7 * len(kinds.split(","))
    assert all(Path("heatlens-out", file).exists() for file in files)
    gone = run("explain", os.fsdecode(b"gon\xe9.png"), photos[0], "-m", "tiny", "--out", "other")
    assert gone.code == 1
    assert "There is no file gon\\udce9.png" in gone.err


def test_what_heatlens_made_is_not_explained_again(run: Any, photos: list[Path]) -> None:
    before = {path: path.read_bytes() for path in photos}
    for kinds in ("png", "grid", "png,npy"):
        assert run("explain", "photos", "-m", "tiny", "--save", kinds, "--out", "photos").code == 0
        assert len(records(Path("photos"))) == 4
    assert len(list(Path("photos").glob("*.png"))) == 12
    assert {path: path.read_bytes() for path in photos} == before


@pytest.mark.parametrize("command", ["explain", "locate"])
@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (["stage:-1"], ["relu"]),
        (["all"], ["body.0", "body.1", "body.2", "body.3", "body", "relu"]),
        (["body.0..body.2", "-1"], ["body.0", "body.1", "body.2", "relu"]),
        (["stage:-2..-1"], ["body.1", "relu"]),
    ],
)
def test_stages_all_and_ranges(run: Any, photos: list[Path], command: str, layers: list[str], names: list[str]) -> None:
    asked = [word for layer in layers for word in ("--layers", layer)]
    file = Path("heatlens-out", {"explain": "explanations", "locate": "boxes"}[command] + ".json")
    assert run(command, photos[0], "-m", "tiny", *asked).code == 0
    assert [r["layers"] for r in json.loads(file.read_text())] == [names]
    file.unlink()
    said = run(command, photos[0], "-m", "tiny", *asked, "--fuse", "none", "-M", "grad_cam", "-M", "fem")
    assert said.code == 0
    each = [(r["method"], r["layers"]) for r in json.loads(file.read_text())]
    assert each == [(method, [name]) for method in ("grad_cam", "fem") for name in names]


def test_a_number_of_class_names_that_is_not_that_of_the_classes(run: Any, photos: list[Path]) -> None:
    Path("three.txt").write_text("ant\nbee\ncrow\n")
    Path("none.txt").write_text("\n")
    for command in (["explain", photos[0], "-m"], ["locate", photos[0], "-m"], ["layers"], ["classes"]):
        said = run(*command, "tiny", "--class-names", "three.txt")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("heatlens: 3 class names for tiny, which has 4 classes. Expected a name for each")
        assert "the names 'none.txt': an empty list" in run(*command, "tiny", "--class-names", "none.txt").err


@pytest.mark.parametrize(("command", "name"), [("explain", "explanations"), ("locate", "boxes")])
def test_a_method_that_knows_no_class_needs_none(run: Any, photos: list[Path], command: str, name: str) -> None:
    trunk = ("-m", "timm/resnet10t", "--weights", "none", "--model-arg", "num_classes=0", "--size", 64)
    said = run(command, photos[0], *trunk, "-M", "eigen_cam", "-M", "fem")
    assert said.code == 0
    assert said.out.splitlines()[0] == "photo0: no class scores"
    found = json.loads(Path("heatlens-out", f"{name}.json").read_text())
    assert [(r["target"], r["score"], r["probability"]) for r in found] == [
        ({"index": None, "name": "no class"}, None, None)
    ] * 2
    if command == "locate":
        assert {box["score"] for r in found for box in r["boxes"]} == {None}
        assert run(command, photos[0], *trunk, "-M", "fem", "--format", "coco", "--format", "voc").code == 0
    assert run(command, photos[0], *trunk, "-M", "grad_cam", "--out", "other").code == 2
