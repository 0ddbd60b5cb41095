"""On a trained DeiT the maps of LayerCAM, generic attention and LeGrad fall on the object."""

import csv
from collections import defaultdict
from typing import Any

import pytest

import heatlens

METHODS = ["layer_cam", "generic_attention", "legrad"]
EVERY = 13  # of the 650 photos: 50


@pytest.fixture(scope="module")
def subject(data: Any) -> heatlens.Subject:
    return heatlens.load("timm/deit_tiny_patch16_224", data.weights("deit_tiny_patch16_224"), resize="squash")


def objects(data: Any) -> dict[str, tuple[int, list[tuple[float, ...]]]]:
    """File -> class and boxes, of every photo that has them."""
    boxes, classes = defaultdict(list), {}
    with (data.folder / "images" / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["file"].startswith("ilsvrc_val/") and row["x0"]:
                boxes[row["file"]].append(tuple(float(row[corner]) for corner in ("x0", "y0", "x1", "y1")))
                classes[row["file"]] = int(row["class_index"])
    return {name: (classes[name], boxes[name]) for name in sorted(boxes)}


def on_object(point: tuple[float, float], boxes: list[tuple[float, ...]]) -> bool:
    return any(x0 <= point[0] < x1 and y0 <= point[1] < y1 for x0, y0, x1, y1 in boxes)


def pointing(subject: heatlens.Subject, data: Any, names: list[str]) -> dict[str, float]:
    """The share of photos whose peak, or whose centre, is on the object (Zhang et al. 2018, without the margin)."""
    known, hits = objects(data), dict.fromkeys([*METHODS, "centre"], 0)
    for name in names:
        index, boxes = known[name]
        found = heatlens.explain(subject, data.photo(name), method=METHODS, target=index)
        for one in found:
            hits[one.recipe.entry.name] += on_object(one.peak, boxes)
        hits["centre"] += on_object((227 / 2, 227 / 2), boxes)
    return {key: hit / len(names) for key, hit in hits.items()}


def test_pointing_game(subject: heatlens.Subject, data: Any) -> None:
    found = pointing(subject, data, list(objects(data))[::EVERY])
    assert all(found[method] > 0.75 for method in METHODS), found


def test_objects_away_from_the_centre(subject: heatlens.Subject, data: Any) -> None:
    lines = (data.folder / "images" / "hard_subset.txt").read_text("utf-8").split()
    found = pointing(subject, data, [line.partition(",")[0] for line in lines[:19]])
    assert found["centre"] < 0.15
    assert all(found[method] > found["centre"] + 0.3 for method in METHODS), found


@pytest.mark.parametrize("method", ["generic_attention", "legrad", "transformer_attribution", "grad_eclip"])
def test_the_dogs_map_falls_on_the_dog(subject: heatlens.Subject, data: Any, method: str) -> None:
    photo, dog = "photos/both_dog_cat.png", 243
    found = heatlens.explain(subject, data.photo(photo), method=method, target=dog)
    assert on_object(found.peak, [data.boxes(photo)[dog]])
