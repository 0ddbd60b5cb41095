"""COCO's instances.  Lin et al., ECCV 2014, arXiv:1405.0312."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...words.errors import BadValue
from ...words.optional import require
from .dataset import Item, Label, blank_mask, by_class


def coco(path: Path, *, root: str | None = None, masks: bool = False) -> Iterator[Item]:
    """An `instances_….json`: an item for each photo and each category on it, with the boxes of that category.

    Crowds give no box, and their pixels are not judged.  root: the folder of the photos, else that of the file.
    masks: also draw the objects (extra `coco`).  A category's index is its place among the sorted ids.
    """
    told = _told(path)
    folder = Path(root).expanduser() if root else path.parent
    try:
        ids = sorted(int(c["id"]) for c in told["categories"])
        names = {int(c["id"]): str(c["name"]) for c in told["categories"]}
        there: dict[int, dict[int, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for found in told["annotations"]:
            there[int(found["image_id"])][int(found["category_id"])].append(found)
        for photo in told["images"]:
            name = str(photo["file_name"])
            size = (int(photo["height"]), int(photo["width"]))
            groups: dict[Label, Item] = {
                names[key]: _item(name, (names[key], ids.index(key)), found, size if masks else None)
                for key, found in sorted(there[int(photo["id"])].items())
            }
            yield from by_class(name, folder / name, groups)
    except (KeyError, TypeError, ValueError) as error:
        raise BadValue(
            f"{path} is not in the form of COCO's instances: {error!r}", "images, annotations, categories"
        ) from None


def _told(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadValue(f"{path} cannot be read: {error}", "a JSON file") from None
    return told if isinstance(told, dict) else {}


def _item(
    name: str, labels: tuple[Label, ...], found: Sequence[Mapping[str, Any]], size: tuple[int, int] | None
) -> Item:
    corners = [tuple(map(float, one["bbox"])) for one in found if not one.get("iscrowd")]
    boxes = tuple((x, y, x + width, y + height) for x, y, width, height in corners if width > 0 and height > 0)
    if size is None:
        return Item(name, Path(), labels, boxes)
    drawings = tuple((one["segmentation"], bool(one.get("iscrowd"))) for one in found)
    return Item(name, Path(), labels, boxes, reading=partial(_drawn, drawings=drawings, size=size))


def _drawn(item: Item, drawings: tuple[tuple[Any, bool], ...], size: tuple[int, int]) -> Item:
    """What pycocotools draws: 1 object, 255 crowd, 0 neither."""
    coder = require("pycocotools.mask")
    mask = blank_mask(item, size)
    for drawing, crowd in sorted(drawings, key=lambda one: not one[1]):  # an object in a crowd is an object
        try:
            coded = drawing if isinstance(drawing, dict) else coder.merge(coder.frPyObjects(drawing, *size))
            coded = coder.frPyObjects(coded, *size) if isinstance(coded["counts"], list) else coded
            if tuple(coded["size"]) != size:  # run lengths say a size of their own, which decoding would unpack
                raise ValueError
            mask[coder.decode(coded).astype(bool)] = 255 if crowd else 1
        except Exception:  # pycocotools raises that and nothing more particular
            raise BadValue(
                f"an object on {item.name} is not drawn", "polygons or run lengths as its segmentation"
            ) from None
    return replace(item, mask=mask)
