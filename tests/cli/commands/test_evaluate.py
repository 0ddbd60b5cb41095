"""`heatlens evaluate` and `heatlens table`, as a person types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from heatlens import Recipe, Subject
from heatlens.cli.running.evaluation import Evaluating
from heatlens.evaluate import Dataset, Request, each_layer, open_dataset, read_models
from heatlens.words.errors import BadValue


@pytest.fixture
def boxes(photos: list[Path]) -> Path:
    rows = [f"{photo.name},{name},1,1,12,12" for photo, name in zip(photos, ("cat", "dog", "cow", "hen"), strict=True)]
    file = photos[0].parent / "labels.csv"
    file.write_text("\n".join(["file,class,x0,y0,x1,y1", *rows]))
    return file


def test_a_table_comes_out(run: Any, model: Any, boxes: Path) -> None:
    said = run("evaluate", boxes, "--model", "tiny", "--method", "grad_cam", "--method", "hires_cam", "-o", "out")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "4 photos x 1 model x 3 recipes x 2 metrics -> out"
    assert lines[1] == "tiny"
    assert [line.split()[0] for line in lines[2:]] == ["recipe", "grad_cam", "hires_cam", "centre"]
    assert lines[2].split()[1:] == ["pointing_game", "↑", "energy_in_box", "↑", "photos", "errors"]
    again = run("table", "out", "--format", "csv", "--rows", "rows.csv")
    assert again.out.splitlines()[0] == "model,recipe,metric,about,value,low,high,photos,errors,better,class_name"
    assert again.err == "rows.csv\n"
    assert Path("rows.csv").read_text().count("\n") == 1 + 4 * 3 * 2
    classes = run("table", "out", "--format", "markdown", "--per-class").out
    assert classes.startswith("### tiny\n")
    assert "### tiny, class 1 (dog)\n" in classes


def test_photos_are_selected(run: Any, model: Any, boxes: Path) -> None:
    Path("some.txt").write_text("photo0.png\nphoto1.png\nphoto3.png\n")
    words = ("--subset", "some.txt", "--every", 2, "--start", 1, "--metric", "energy_in_box", "-q")
    said = run("evaluate", boxes, "--model", "tiny", *words, "-o", "out")
    assert (said.code, said.err) == (0, "")
    rows = run("table", "out", "--rows", "rows.csv")
    assert rows.code == 0
    assert {line.split(",")[0].strip('"') for line in Path("rows.csv").read_text().splitlines()[1:]} == {"photo1.png"}


def test_what_fails_for_every_photo_is_said_at_once(run: Any, model: Any, boxes: Path) -> None:
    asked = ("evaluate", boxes, "--model", "tiny", "--method", "generic_attention", "--metric", "energy_in_box")
    said = run(*asked, "-o", "out")
    assert said.code == 1
    assert said.err.count("runs no attention") == 1
    assert said.err.startswith("tiny, generic_attention: ")
    assert "  4\n" in said.out  # errors


def test_a_layer_that_is_not_there_ends_the_command(run: Any, model: Any, boxes: Path) -> None:
    asked = ("evaluate", boxes, "--model", "tiny", "--metric", "energy_in_box", "-o", "out")
    said = run(*asked, "--layers", "layer9")
    assert said.code == 2
    assert said.err.startswith("heatlens: Gap has no layer 'layer9'. ")
    assert len(said.err.splitlines()) == 1
    assert run(*asked).code == 0


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_what_fails_for_some_photos_is_said_at_the_end(run: Any, model: Any, boxes: Path, quiet: Any) -> None:
    gone = [f"gone{i}.png,cat,1,1,12,12" for i in range(7)]
    boxes.write_text("\n".join([*boxes.read_text().splitlines(), "photo0.png,whale,1,1,2,2", *gone]))
    asked = ("evaluate", boxes, "--model", "tiny", "--metric", "energy_in_box", "-o", "out", *quiet)
    said = run(*asked)
    assert said.code == 1
    *failed, rest = said.err.splitlines()
    assert [line.split(". ")[0] for line in failed] == [
        f"heatlens: There is no file {boxes.parent}/gone{i}.png" for i in range(5)
    ]
    assert rest == "heatlens: 3 more errors: heatlens table out --rows rows.csv"
    assert run(*asked).err == said.err, "also of a run that has nothing left to do"


def test_a_reason_is_said_once(run: Any, model: Any, boxes: Path) -> None:
    boxes.write_text(boxes.read_text().replace("cat", "whale").replace("dog", "whale"))
    said = run("evaluate", boxes, "--model", "tiny", "--metric", "energy_in_box", "-o", "out")
    assert said.code == 1
    assert said.err.splitlines() == [line for line in said.err.splitlines() if "'whale'" in line][:1]
    assert said.err.startswith("heatlens: photo0.png and 1 more: the model has no class")


def test_a_metric_that_is_not_defined_says_what_it_needs(run: Any, model: Any, boxes: Path) -> None:
    metrics = ("--metric", "px_ap", "--metric", "energy_in_box")
    said = run("evaluate", boxes, "--model", "tiny", *metrics, "--limit", 1, "-o", "out")
    assert said.out.startswith("1 photo x 1 model x 2 recipes x 2 metrics -> out")
    assert (said.code, said.err) == (0, "px_ap is not defined for any photo: it needs masks\n")


def test_curves_of_metrics_that_have_none(run: Any, model: Any, boxes: Path) -> None:
    run("evaluate", boxes, "--model", "tiny", "--metric", "energy_in_box", "-o", "out")
    said = run("table", "out", "--curves", "curves")
    assert (said.code, said.err.count("\n")) == (0, 1)
    assert said.err.startswith("heatlens: no metric of out has a curve; ")


def test_another_request_is_refused(run: Any, model: Any, boxes: Path) -> None:
    assert run("evaluate", boxes, "--model", "tiny", "-o", "out").code == 0
    said = run("evaluate", boxes, "--model", "tiny", "-o", "out", "--seed", 3)
    assert said.code == 2
    assert said.err == (
        "heatlens: out holds another evaluation: its seed is 0, not 3. Expected the request in out/request.json. "
        "Repeat that one, or choose another folder.\n"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nowhere.csv",), "there is no nowhere.csv"),
        (("photos/labels.csv", "--metric", "pointing"), "No metric is called 'pointing'. Close: pointing_game"),
        (("photos/labels.csv", "--model", "a", "--model", "b", "--weights", "c"), "one --weights for several models"),
        (("photos/labels.csv", "--dataset-arg", "rot=x"), "the form csv has no option 'rot'. Close: root"),
        (("photos/labels.csv", "--models", "none.toml"), "the models 'none.toml'"),
        (
            ("photos/labels.csv", "--models", "some.toml", "--resize", "squash"),
            "resize beside --models alone. Expected",
        ),
        (("photos/labels.csv", "--models", "some.toml", "--weights", "w.pt"), "w.pt beside --models alone"),
        (("photos/labels.csv", "--every", "2", "--start", "9"), "the selection leaves no photo"),
    ],
)
def test_mistakes_are_said_before_anything_is_done(run: Any, boxes: Path, words: tuple[str, ...], error: str) -> None:
    Path("some.toml").write_text('[a]\nmodel = "bundled"\n')
    said = run("evaluate", *words, "-o", "out")
    assert said.code == 2
    assert error in said.err
    assert not Path("out").exists()


def test_several_models_with_weights_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"")
    (tmp_path / "models.toml").write_text(
        '[a]\nmodel = "timm/x"\nweights = "w.safetensors"\nmean = [0.5, 0.5, 0.5]\npad_type = "same"\n'
        '[b]\nmodel = "bundled"\n'
    )
    a, b = read_models(tmp_path / "models.toml")
    assert (a.name, a.model, a.weights) == ("a", "timm/x", str(tmp_path / "w.safetensors"))
    assert a.options == (("mean", (0.5, 0.5, 0.5)), ("pad_type", "same"))
    assert (b.name, b.model, b.weights, b.options) == ("b", "bundled", None, ())


def defaults(**changed: Any) -> dict[str, Any]:
    from heatlens.cli.commands.evaluate import evaluate

    options = evaluate.make_context("evaluate", ["x"]).params
    return {**{key: value for key, value in options.items() if key != "dataset"}, **changed}


@pytest.mark.parametrize(
    ("metric", "target", "asked"),
    [
        ("pointing_game", None, "label"),
        ("deletion", None, None),
        ("pointing_game", "prediction", None),
        ("deletion", "dog", "dog"),
    ],
)
def test_what_is_explained(boxes: Path, metric: str, target: str | None, asked: str | None) -> None:
    request = Evaluating(str(boxes), defaults(metric=(metric,), target=target)).request()
    assert request.target == asked
    assert [m.name for m in request.models] == ["bundled"]


def test_interrupted_it_says_how_to_carry_on(tmp_path: Path, photos: list[Path]) -> None:
    """Ctrl-C on the real program, and the same command again."""
    script = "from heatlens.cli import main; main()"
    words = [
        "evaluate",
        "folder:photos",
        "--metric",
        "deletion:step=64",
        "--part-size",
        "1",
        "-M",
        "layer_cam",
        "-o",
        "out",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", script, *words], cwd=tmp_path, env=environment, **pipes)

    running = start()
    while not list((tmp_path / "out").glob("parts/0*")) and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "heatlens: interrupted; the same command carries on in out" in err
    assert "Traceback" not in err
    done = len(list((tmp_path / "out").glob("parts/0*")))
    assert 1 <= done < 4
    out, _ = start().communicate(timeout=240)
    assert "layer_cam" in out
    assert len(list((tmp_path / "out").glob("parts/0*"))) == 4
    assert json.loads((tmp_path / "out/request.json").read_text())["photos"]["count"] == 4


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_that_are_no_utf_8(run: Any, model: Any, photos: list[Path]) -> None:
    folder = Path("photos", os.fsdecode(b"\xe9t\xe9"))
    folder.mkdir()
    for name in (b"caf\xe9.png", b"caf\xe8.png"):
        (folder / os.fsdecode(name)).write_bytes(photos[0].read_bytes())
    (folder / os.fsdecode(b"br\xf6ken.png")).write_text("no photo")
    Path("some.txt").write_bytes(b"\xe9t\xe9/caf\xe9.png\nphoto1.png\n\xe9t\xe9/br\xf6ken.png\n")
    said = run("evaluate", "photos", "--model", "tiny", "--metric", "complexity", "--subset", "some.txt", "-o", "out")
    assert said.code == 1
    assert said.out.startswith("3 photos x 1 model")
    assert "br\\udcf6ken.png is not a photo" in said.err
    assert run("table", "out", "--rows", "rows.csv").code == 0
    rows = Path("rows.csv").read_text("utf-8")
    assert '"\\udce9t\\udce9/caf\\udce9.png"' in rows
    assert "caf\\udce8" not in rows


def test_what_heatlens_made_is_no_part_of_a_data_set(run: Any, model: Any, photos: list[Path]) -> None:
    words = ("--save", "png,heat", "--format", "voc", "--format", "coco")
    assert run("locate", "photos", "-m", "tiny", "-o", "photos/found", *words).code == 0
    assert run("explain", "photos", "-m", "tiny", "-o", "photos").code == 0
    said = run("evaluate", "photos", "--model", "tiny", "--metric", "deletion:step=512,curve=true", "-o", "photos/out")
    assert said.out.startswith("4 photos x 1 model x 1 recipe")
    assert said.code == 0
    assert run("table", "photos/out", "--curves", "photos/curves").code == 0
    assert len(open_dataset("photos")) == 4


@pytest.mark.parametrize("text", ["", "\n \n", ", a remark\n"])
def test_a_subset_that_names_no_photo_is_not_all_of_them(run: Any, model: Any, photos: list[Path], text: str) -> None:
    Path("none.txt").write_text(text)
    said = run("evaluate", "photos", "--model", "tiny", "--metric", "complexity", "--subset", "none.txt", "-o", "out")
    assert said.code == 2
    assert said.err == (
        "heatlens: the subset 'none.txt' names no photo. Expected a text file with one photo per line.\n"
    )
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (["relu", "body.0"], ["relu", "body.0"]),
        (["all"], ["body.0", "body.1", "body.2", "body.3", "body", "relu"]),
        (["0..1", "stage:-1"], ["body.0", "body.1", "relu"]),
    ],
)
def test_a_row_for_each_layer(run: Any, model: Any, boxes: Path, layers: list[str], names: list[str]) -> None:
    asked = [word for layer in layers for word in ("--layers", layer)]
    words = ("--model", "tiny", *asked, "--metric", "energy_in_box", "-o", "out")
    said = run("evaluate", boxes, *words, "--fuse", "none")
    assert (said.code, said.err) == (0, "")
    rows = [line.split("  ")[1] for line in said.out.splitlines()[3:]]
    assert rows == [*(f"grad_cam layers={name}" for name in names), "centre"]
    fused = run("evaluate", boxes, *words[:-1], "fused")
    assert "1 model x 2 recipes x 1 metric" in fused.out


def test_each_layer_of_two_models_that_differ(model: Any) -> None:
    recipe = Recipe("grad_cam", layers=(0, -1), fuse=None)
    other = Subject("other", torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), model.preprocessing)
    assert [r.layers for r in each_layer([recipe], [model])] == [("body.0",), ("relu",)]
    assert each_layer([Recipe("fem")], [model, other]) == (Recipe("fem"),)
    with pytest.raises(BadValue, match="for tiny, other, whose layers have other names"):
        each_layer([recipe], [model, other])
    with pytest.raises(BadValue, match=r"the recipe grad_cam layers=0\+-1 fuse=None, whose layers are not fused"):
        Request(Dataset("x", ()), (model,), (recipe,), ("deletion",))
