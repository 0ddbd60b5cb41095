"""COCO's JSON: Microsoft COCO: Common Objects in Context.  Lin et al., ECCV 2014, arXiv:1405.0312."""

import json
from collections.abc import Sequence
from typing import Any

from ...words.wording import MARK
from ..finding import Finding, Located
from .form import Form

Row = dict[str, Any]


def coco(photos: Sequence[Located]) -> dict[str, Any]:
    """images, annotations and categories, all numbered from 1; boxes are x, y, width, height.

    Beside COCO's own fields a category has the model's `class_index`, an annotation `score`, `probability` and `heat`.
    """
    classes = sorted({(-1 if f.index is None else f.index, f.name) for photo in photos for f in photo.findings})
    number = {one: k for k, one in enumerate(classes, 1)}
    every = [(k, finding) for k, photo in enumerate(photos, 1) for finding in photo.findings]
    return {
        "info": {"description": MARK},
        "images": [
            {"id": k, "file_name": photo.file, "height": photo.size[0], "width": photo.size[1]}
            for k, photo in enumerate(photos, 1)
        ],
        "annotations": [
            {"id": k, "image_id": image, "category_id": number[-1 if f.index is None else f.index, f.name], **_coco(f)}
            for k, (image, f) in enumerate(every, 1)
        ],
        "categories": [
            {"id": k, "name": name, "class_index": None if index < 0 else index} for (index, name), k in number.items()
        ],
    }


def from_coco(said: dict[str, Any]) -> list[Located]:
    """The photos of what `coco` gave, without their probabilities where there were none."""
    names = {one["id"]: (one["name"], one["class_index"]) for one in said["categories"]}
    found: dict[int, list[Finding]] = {one["id"]: [] for one in said["images"]}
    for one in said["annotations"]:
        x, y, width, height = one["bbox"]
        own = one["score"], one["probability"], one["heat"]
        found[one["image_id"]].append(Finding((x, y, x + width, y + height), *names[one["category_id"]], *own))
    return [Located(one["file_name"], (one["height"], one["width"]), found[one["id"]]) for one in said["images"]]


def _coco(finding: Finding) -> Row:
    x0, y0, x1, y1 = finding.box
    return {
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "iscrowd": 0,
        "score": finding.score,
        "probability": finding.probability,
        "heat": finding.heat,
    }


def _write(photos: Sequence[Located]) -> bytes:
    text = json.dumps(coco(photos), indent=2, ensure_ascii=False, allow_nan=False, default=float)
    return (text + "\n").encode("utf-8", "backslashreplace")  # what is no UTF-8 in the name of a file


COCO = Form("coco", "json", _write, lambda text: from_coco(json.loads(text)))
