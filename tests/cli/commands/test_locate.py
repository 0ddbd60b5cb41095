"""heatlens locate: pictures with boxes, boxes.json, COCO and Pascal VOC, exit codes."""

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

import heatlens
from heatlens.localize import Finding, Located, coco, from_coco, voc
from heatlens.models import Subject

pytestmark = pytest.mark.usefixtures("model")
OUT = Path("heatlens-out")


def records(folder: Path = OUT) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "boxes.json").read_text("utf-8"))
    return found


def test_a_picture_a_record_and_a_line(run: Any, photos: list[Path], model: Subject) -> None:
    said = run("locate", photos[0], photos[3], "-m", "tiny", "-t", "dog", "-t", "cow")
    assert said.code == 0
    drawn = [f"{photo}-tiny-grad_cam-dog+cow-boxes.png" for photo in ("photo0", "photo3")]
    assert sorted(path.name for path in OUT.glob("[!.]*")) == ["boxes.json", *drawn]
    assert [(Path(r["photo"]).name, r["target"]["name"]) for r in records()] == [
        ("photo0.png", "dog"), ("photo0.png", "cow"), ("photo3.png", "dog"), ("photo3.png", "cow"),
    ]  # fmt: skip
    for record in records():
        expected = heatlens.explain(model, OUT / record["photo"], target=record["target"]["index"])
        assert [box["box"] for box in record["boxes"]] == [list(box) for box in expected.boxes()]
        assert (record["height"], record["width"]) == expected.map.shape
        assert record["files"] == [f"{Path(record['photo']).stem}-tiny-grad_cam-dog+cow-boxes.png"]
        for box in record["boxes"]:
            x0, y0, x1, y1 = map(int, box["box"])
            assert box["score"] == pytest.approx(expected.probability, abs=1e-5)
            assert box["heat"] == pytest.approx(float(expected.map[y0:y1, x0:x1].max()), abs=1e-5)
    lines = said.out.splitlines()
    assert lines[-1] == f"{sum(len(r['boxes']) for r in records())} boxes in heatlens-out/boxes.json"
    assert f"heatlens-out/{drawn[0]}" in lines[1]


def test_the_box_is_drawn_where_it_is(run: Any, photos: list[Path]) -> None:
    run("locate", photos[3], "-m", "tiny", "-t", "dog")
    (record,) = records()
    before = Image.open(photos[3]).convert("RGB").resize((448, 296), Image.Resampling.BICUBIC)
    changed = np.abs(np.asarray(Image.open(OUT / record["files"][0])).astype(int) - np.asarray(before)).max(-1) > 60
    x0, y0, x1, y1 = (v * 448 / 50 for v in record["boxes"][0]["box"])
    rows, columns = changed.nonzero()
    assert columns.min() == pytest.approx(x0, abs=3)
    assert rows.max() == pytest.approx(min(y1, 295), abs=3)
    middle = changed[int(y0) + 40 : int(y1) - 12, int(x0) + 12 : int(x1) - 12]
    assert not middle.any()


def test_the_ways_to_find_boxes_reach_the_command(run: Any, photos: list[Path], model: Subject) -> None:
    expected = heatlens.explain(model, photos[1], target="dog", method="hires_cam")
    for words, how in (
        (("--threshold", "otsu", "--pick", "all"), {"threshold": "otsu", "pick": "all"}),
        (("--threshold", "0.6"), {"threshold": 0.6}),
        (("--pick", "release"), {"pick": "release"}),
        (("--refine", "grabcut"), {"refine": "grabcut"}),
    ):
        assert (
            run("locate", photos[1], "-m", "tiny", "-t", "dog", "-M", "hires_cam", "--save", "none", *words).code == 0
        )
        assert [tuple(b["box"]) for b in records()[-1]["boxes"]] == expected.boxes(**how)
    assert not list(OUT.glob("*.png"))


def test_a_map_and_its_boxes_each(run: Any, photos: list[Path]) -> None:
    run("locate", photos[0], "-m", "tiny", "-t", "dog", "-M", "grad_cam", "-M", "eigen_cam", "--save", "png,heat")
    both = "photo0-tiny-grad_cam+eigen_cam-dog-boxes.png"
    own = [f"photo0-tiny-{method}-dog-heat.png" for method in ("grad_cam", "eigen_cam")]
    assert [r["files"] for r in records()] == [[both, own[0]], [both, own[1]]]
    assert all((OUT / f).is_file() for r in records() for f in r["files"])


def test_coco_is_read_by_pycocotools(run: Any, photos: list[Path]) -> None:
    run("locate", "photos", "-m", "tiny", "-t", "dog", "-t", "cat", "--pick", "all", "--format", "coco")
    read = COCO(OUT / "coco.json")
    assert {image["file_name"] for image in read.imgs.values()} == {f"../photos/{p.name}" for p in photos}
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == ["cat", "dog"]
    for record in records():
        (image,) = [i for i in read.imgs.values() if i["file_name"] == record["photo"]]
        assert (image["width"], image["height"]) == Image.open(OUT / record["photo"]).size
        own = read.getAnnIds([image["id"]], read.getCatIds([record["target"]["name"]]))
        found = [annotation["bbox"] for annotation in read.loadAnns(own)]
        corners = [b["box"] for b in record["boxes"]]
        assert found == [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in corners]
        for annotation, (x0, y0, x1, y1) in zip(read.loadAnns(own), corners, strict=True):
            assert read.annToMask(annotation).sum() == pytest.approx((x1 - x0) * (y1 - y0))
    assert len(read.anns) == sum(len(r["boxes"]) for r in records())


def test_pascal_voc_counts_from_one_and_holds_the_last_pixel(run: Any, photos: list[Path]) -> None:
    run("locate", *photos[:2], "-m", "tiny", "-t", "cow", "--format", "voc", "--format", "coco")
    assert (OUT / "coco.json").is_file()
    for record in records():
        root = ElementTree.parse(OUT / f"{Path(record['photo']).stem}.xml").getroot()
        assert root.findtext("filename") == Path(record["photo"]).name
        assert [root.findtext(f"size/{side}") for side in ("width", "height", "depth")] == [
            str(record["width"]), str(record["height"]), "3",
        ]  # fmt: skip
        found = [[int(thing.findtext(f"bndbox/{c}", "")) for c in ("xmin", "ymin", "xmax", "ymax")] for thing in root.findall("object")]  # fmt: skip  # noqa: E501
        assert found == [[x0 + 1, y0 + 1, x1, y1] for x0, y0, x1, y1 in (b["box"] for b in record["boxes"])]
        assert {thing.findtext("name") for thing in root.findall("object")} == {"cow"}


def test_forms_by_hand() -> None:
    there = Finding((1.5, 2, 10.25, 5), 'a "cow" & <calf>\x07', 2, 0.9, 0.9, 1.0)
    photo = Located("farm/a.jpg", (20, 30), [there, Finding((0, 0, 30, 20), "sky", None, None, None, 0.5)])
    root = ElementTree.fromstring(voc(photo))
    assert [box.text for box in root.findall("object/bndbox/*")][:4] == ["2", "3", "11", "5"]
    assert root.findtext("object/name") == 'a "cow" & <calf>'
    assert root.findtext("folder") == "farm"
    assert [thing.findtext("score") for thing in root.findall("object")] == ["0.9", None]
    table = coco([Located("b.jpg", (5, 5), []), photo])
    assert [(c["id"], c["name"], c["class_index"]) for c in table["categories"]] == [
        (1, "sky", None),
        (2, there.name, 2),
    ]
    assert [(a["id"], a["image_id"], a["category_id"]) for a in table["annotations"]] == [(1, 2, 2), (2, 2, 1)]
    assert table["annotations"][0]["bbox"] == [1.5, 2, 8.75, 3]
    assert table["annotations"][0]["area"] == 26.25
    assert from_coco(table) == [Located("b.jpg", (5, 5), []), photo]


def test_a_broken_photo_is_reported_and_the_others_are_done(run: Any, photos: list[Path]) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n")
    said = run("locate", "photos", "-m", "tiny")
    assert said.code == 1
    assert "photos/broken.png" in said.err
    assert len(records()) == len(photos)


def test_when_nothing_can_be_done(run: Any) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n")
    assert run("locate", "broken.png", "-m", "tiny").code == 2
    assert not OUT.exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--threshold", "2"), "share of the maximum"),
        (("--save", "gif"), "png, heat, none"),
        (("--pick", "best"), "largest"),
        (("--format", "yolo"), "coco"),
        (("--layers", "nowhere"), "nowhere"),
        (("--target", "unicorn"), "unicorn"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(run: Any, photos: list[Path], words: Any, error: str) -> None:
    said = run("locate", photos[0], "-m", "tiny", *words)
    assert said.code == 2
    assert error in said.err
    assert not OUT.exists()


def test_a_photo_in_which_nothing_lights_up(run: Any, photos: list[Path]) -> None:
    said = run("locate", photos[0], "-m", "tiny", "--threshold", "fixed:2", "--format", "voc")
    assert said.code == 0
    assert records()[0]["boxes"] == []
    assert "nothing found, probability " in said.out
    assert said.out.splitlines()[-1] == "nothing found; heatlens-out/boxes.json"
    assert ElementTree.parse(OUT / "photo0.xml").getroot().findall("object") == []


def test_a_class_that_is_hardly_in_the_photo_is_not_found(run: Any, photos: list[Path], model: Subject) -> None:
    """The model is as good as certain of its cat: probabilities of about 1, 1e-9, …"""
    torch.nn.init.zeros_(model.model.head.weight)
    with torch.no_grad():
        model.model.head.weight[0] += 0.1
        model.model.head.bias[:] = torch.tensor([20.0, 0.0, -2.0, 17.0])
    words = ("locate", photos[0], "-m", "tiny", "-t", "cat", "-t", "dog", "-t", "hen", "-M", "eigen_cam")
    said = run(*words, "--format", "coco")
    assert said.code == 0
    found = {r["target"]["name"]: r for r in records()}
    assert [len(found[name]["boxes"]) for name in ("cat", "dog", "hen")] == [1, 0, 1]
    for name in ("cat", "hen"):
        assert found[name]["boxes"][0]["score"] == found[name]["probability"]
        assert found[name]["boxes"][0]["heat"] == pytest.approx(1, abs=0.1)
    assert 0.02 < found["hen"]["probability"] < 0.06
    lines = {line.split()[1]: line for line in said.out.splitlines()[1:4]}
    assert "nothing found, probability 0.0%" in lines["dog"]
    assert "boxes (" in lines["hen"]
    assert sorted(a["score"] for a in COCO(OUT / "coco.json").anns.values()) == sorted(
        [found["cat"]["probability"], found["hen"]["probability"]]
    )
    every = run(*words, "--min-probability", "0", "--out", "every")
    assert every.out.splitlines()[-1] == "3 boxes in every/boxes.json"
    assert records(Path("every"))[1]["how"] == {"pick": "largest", "min_probability": 0.0}
    none = run(*words, "--min-probability", "1", "--out", "none")
    assert (none.code, none.out.splitlines()[-1]) == (0, "nothing found; none/boxes.json")
    assert run(*words, "--min-probability", "2").code == 2


def test_a_target_without_a_probability_scores_by_itself(run: Any, photos: list[Path]) -> None:
    assert run("locate", photos[0], "-m", "tiny", "-t", "value:2").code == 0
    (record,) = records()
    assert record["probability"] is None
    assert [box["score"] for box in record["boxes"]] == [record["score"]]


def test_quiet_and_help(run: Any, photos: list[Path]) -> None:
    said = run("locate", photos[0], "-m", "tiny", "--quiet")
    assert (said.code, said.out) == (0, "")
    text = run("locate", "--help").out
    assert (
        text.index("What is shown") < text.index("--method") < text.index("What is found") < text.index("--threshold")
    )


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_that_are_no_utf_8(run: Any, photos: list[Path]) -> None:
    odd = Path("photos", os.fsdecode(b"caf\xe9.png"))
    odd.write_bytes(photos[0].read_bytes())
    said = run("locate", odd, "-m", "tiny", "--format", "coco", "--format", "voc")
    assert (said.code, said.err) == (0, "")
    assert records()[0]["photo"] == f"../{odd}"
    assert json.loads((OUT / "coco.json").read_text("utf-8"))["images"][0]["file_name"] == f"../{odd}"
    assert ElementTree.parse(OUT / "caf.xml").getroot().findtext("filename") == "caf\\udce9.png"


def test_a_box_around_everything_is_said_to_be_one(run: Any, photos: list[Path]) -> None:
    said = run("locate", photos[0], "-m", "tiny", "-t", "dog", "--threshold", "fixed:-1")
    assert "boxes (3, 0, 27, 24), all that the model saw heatlens-out/" in said.out
    assert "all that" not in run("locate", photos[0], "-m", "tiny", "-t", "dog", "--threshold", "0.7").out
