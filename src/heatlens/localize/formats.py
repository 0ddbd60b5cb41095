"""Findings as annotations of other tools: COCO's JSON (arXiv:1405.0312) and Pascal VOC's XML (IJCV 2010)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..words.wording import MARK, readable
from .finding import Finding, Located

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


def voc(photo: Located) -> bytes:
    """An XML file: boxes of whole pixels, counted from 1, that hold their last one."""
    path = Path(photo.file)
    root = Element("annotation")
    _filled(SubElement(root, "source"), {"annotation": MARK})
    _filled(root, {"folder": path.parent.name, "filename": path.name, "path": photo.file})
    _filled(SubElement(root, "size"), {"width": photo.size[1], "height": photo.size[0], "depth": 3})
    _filled(root, {"segmented": 0})
    for finding in photo.findings:
        x0, y0, x1, y1 = finding.box
        thing = SubElement(root, "object")
        _filled(thing, {"name": finding.name, "pose": "Unspecified", "truncated": 0, "difficult": 0})
        corners = {"xmin": math.floor(x0) + 1, "ymin": math.floor(y0) + 1, "xmax": math.ceil(x1), "ymax": math.ceil(y1)}
        _filled(SubElement(thing, "bndbox"), corners)
        _filled(thing, {"score": finding.score, "heat": finding.heat})
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _filled(element: Element, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value is not None:
            SubElement(element, name).text = _legal(str(value))


def _legal(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(c for c in readable(text) if c >= " " or c in "\t\n")
