"""heatlens explain --out cat.png: one file; --title: words of one's own above a map; --negative: both signs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.images import grid
from heatlens.models import Subject
from heatlens.words.errors import BadValue

pytestmark = pytest.mark.usefixtures("model")


def test_the_one_picture_and_nothing_else(run: Any, photos: list[Path], model: Subject) -> None:
    said = run("explain", photos[0], "-m", "tiny", "-t", "dog", "--out", "made/dog.png")
    assert said.code == 0
    assert [path.name for path in Path("made").iterdir()] == ["dog.png"]
    assert "made/dog.png" in said.out
    expected = heatlens.explain(model, photos[0], target="dog").picture()
    assert np.abs(np.asarray(Image.open("made/dog.png").convert("RGB")).astype(int) - np.asarray(expected)).max() <= 1
    for ending in ("jpg", "npy", "json"):
        assert run("explain", photos[0], "-m", "tiny", "--out", f"made/x.{ending}").code == 0
    assert np.load("made/x.npy").shape == Image.open(photos[0]).size[::-1]
    assert json.loads(Path("made/x.json").read_text())["model"] == "tiny"


def test_it_is_not_overwritten_unasked(run: Any, photos: list[Path]) -> None:
    words = ["explain", photos[0], "-m", "tiny", "--out", "one.png"]
    assert run(*words, "-t", "dog").code == 0
    before = Path("one.png").read_bytes()
    refused = run(*words, "-t", "cow")
    assert refused.code == 2
    assert "is there already" in refused.err
    assert Path("one.png").read_bytes() == before
    assert run(*words, "-t", "cow", "--overwrite").code == 0
    assert Path("one.png").read_bytes() != before


def test_several_maps_are_a_page(run: Any, photos: list[Path]) -> None:
    several = ["-m", "tiny", "-t", "dog", "-t", "cow", "--out", "page.png"]
    assert "the one file page.png for 2 maps" in run("explain", photos[0], *several).err
    assert "the one file page.png for 2 photos" in run("explain", *photos[:2], *several).err
    assert "--save npy with --out page.png" in run("explain", photos[0], *several, "--save", "npy").err
    assert not Path("page.png").exists()
    assert run("explain", photos[0], *several, "--save", "grid").code == 0
    assert Image.open("page.png").width > 3 * 448
    Path("folder.png").mkdir()
    assert run("explain", photos[0], "-m", "tiny", "--out", "folder.png").code == 0
    assert Path("folder.png/explanations.json").is_file()


def test_a_title(run: Any, photos: list[Path], model: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    found = heatlens.explain(model, photos[0], target="dog")
    text = "{target} ({probability}) of {model} in {photo} by {method}, {layers}, {score}: {{x}}"
    title, subtitle = found.labelled("{target} ({probability}) of {model} in {photo} by {method}, {layers}, {score}")
    assert title == f"dog ({found.probability:.1%}) of tiny in photo0 by grad_cam, relu, {found.score:.4g}"
    assert (title, subtitle) != found.label
    assert found.labelled() == found.label
    written: list[Any] = []

    def watched(cells: Any, **how: Any) -> Any:
        written.extend(cells)
        return grid(cells, **how)

    monkeypatch.setattr("heatlens.asking.explanation.grid", watched)
    assert run("explain", photos[0], "-m", "tiny", "-t", "dog", "--title", "Fig. 1: {target}").code == 0
    assert [cell[1] for cell in written] == ["Fig. 1: dog"]
    wrong = run("explain", photos[0], "-m", "tiny", "--title", text.replace("{{x}}", "{x}"))
    assert wrong.code == 2
    assert "{x} in a title. Expected one of {target}, {probability}" in wrong.err
    with pytest.raises(BadValue, match="in a title"):
        found.picture(title="{klass}")


def test_negative_regions_of_every_method(run: Any, photos: list[Path], model: Subject) -> None:
    with torch.no_grad():
        image, _ = model.prepare(heatlens.images.read_photo(photos[1]))
        mean = model.model.relu(model.model.body(image)).mean((0, 2, 3))
        drawn = torch.randn(len(mean), generator=torch.Generator().manual_seed(0))
        model.model.head.weight[1] = drawn - (drawn @ mean) / (mean @ mean) * mean
    words = ["-m", "tiny", "-t", "dog", "--save", "npy", "--negative"]
    methods = ["grad_cam", "layer_cam", "hires_cam", "grad_cam_pp", "xgrad_cam", "ablation_cam"]
    said = run("explain", photos[1], *words, *(word for name in methods for word in ("-M", name)))
    assert said.code == 0
    files = {r["method"]: r["files"][0] for r in json.loads(Path("heatlens-out/explanations.json").read_text())}
    assert set(files) == set(methods)
    for name, file in files.items():
        assert "negative" in file
        heat = np.load(Path("heatlens-out") / file)
        assert heat.min() < 0 < heat.max(), name
    assert run("locate", photos[1], "-m", "tiny", "-t", "dog", "--negative", "--min-probability", "0").code == 0
