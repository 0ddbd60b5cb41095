"""The recipe `precise` finds small things off the centre where plain Grad-CAM does not."""

import csv
from collections import defaultdict
from typing import Any

import heatlens
from heatlens import Explanation


def inside(found: Explanation, boxes: list[tuple[float, ...]]) -> bool:
    x, y = found.peak
    return any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in boxes)


def test_hard_photos(data: Any) -> None:
    subject = heatlens.load(
        "timm/mobilenetv2_100",
        data.weights("mobilenetv2_100"),
        pad_type="same",
        mean=0.5,
        std=0.5,
        size=224,
        resize="squash",
    )
    boxes, classes = defaultdict(list), {}
    with (data.folder / "images" / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["x0"]:
                boxes[row["file"]].append(tuple(float(row[corner]) for corner in ("x0", "y0", "x1", "y1")))
                classes[row["file"]] = int(row["class_index"])
    lines = (data.folder / "images" / "hard_subset.txt").read_text("utf-8").split()
    hits = {"grad_cam": 0, "precise": 0}
    for name in [line.partition(",")[0] for line in lines[::4]]:
        for found in heatlens.explain(subject, data.photo(name), method=list(hits), target=classes[name]):
            hits[found.method] += inside(found, boxes[name])
    assert hits["precise"] >= hits["grad_cam"] + 2, hits
    assert hits["precise"] >= 6, hits
