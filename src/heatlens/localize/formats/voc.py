"""Pascal VOC's XML: The Pascal Visual Object Classes Challenge.  Everingham et al., IJCV 2010."""

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ...words.wording import MARK, readable
from ..finding import Located
from .form import Form


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


VOC = Form("voc", "xml", lambda photos: voc(photos[0]))
