"""A CSV file with a row per box."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...metrics.truth import Box
from ...words.errors import BadValue, unknown
from .dataset import Item, Label, by_class
from .folders import with_masks

_FILE = ("file", "photo", "image", "filename", "path")
_TEXT = ("wnid", "class", "class_name", "name", "label")
_INDEX = ("class_index", "index")
_CORNERS = ("x0", "y0", "x1", "y1")


def csv_boxes(path: Path, *, root: str | None = None) -> Iterator[Item]:
    """Columns: `file`; `wnid`, `class` or `class_index`; `x0`, `y0`, `x1`, `y1`; `mask`.  Others are not read.

    A photo's boxes are its rows; a row with empty corners names the class only.  Masks are read as those of the form
    `masks`, several of a photo together.  Several classes of a photo make an item each.  root: the folder that files
    are named from, else the one of the CSV file.
    """
    folder = Path(root).expanduser() if root else path.parent
    photos: dict[str, dict[Label, Item]] = {}
    masks: dict[tuple[str, Label], dict[Path, None]] = {}
    for number, row in _rows(path):
        one = _item(path, number, row, folder)
        groups = photos.setdefault(one.name, {})
        key = one.labels[0] if one.labels else ""
        known = groups.get(key, one)
        boxes = known.boxes + one.boxes if known is not one else one.boxes
        groups[key] = Item(one.name, one.photo, one.labels, boxes)
        if isinstance(one.mask, Path):
            masks.setdefault((one.name, key), {})[one.mask] = None
    for name, groups in photos.items():
        drawn = {key: _masked(item, tuple(masks.get((name, key), ()))) for key, item in groups.items()}
        yield from by_class(name, folder / name, drawn)


def _masked(item: Item, masks: Sequence[Path]) -> Item:
    return replace(item, reading=partial(with_masks, paths=masks)) if masks else item


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            if not set(_FILE) & set(columns):
                raise unknown("column", "file", columns, owner=str(path))
            for row in reader:
                yield reader.line_num, {k.strip().lower(): (v or "").strip() for k, v in row.items() if k is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadValue(f"{path} cannot be read: {error}", "a CSV file with a header") from None


def _item(path: Path, number: int, row: Mapping[str, str], folder: Path) -> Item:
    try:
        name = next(row[key] for key in _FILE if row.get(key))
        index = next((int(row[key]) for key in _INDEX if row.get(key)), None)
        box = _box(row)
    except (StopIteration, ValueError):
        raise BadValue(
            f"line {number} of {path}", "a file, a class, and four numbers x0 y0 x1 y1 or none", "Correct the line"
        ) from None
    texts: list[Label] = [row[key] for key in _TEXT if row.get(key)]
    numbered = [int(text) for text in texts if str(text).isdigit()]
    labels = (*(t for t in texts if not str(t).isdigit()), *([index] if index is not None else numbered))
    mask = folder / row["mask"] if row.get("mask") else None
    return Item(name, folder / name, labels, (box,) if box else (), mask)


def _box(row: Mapping[str, str]) -> Box | None:
    corners = [row.get(corner, "") for corner in _CORNERS]
    if not any(corners):
        return None
    x0, y0, x1, y1 = map(float, corners)
    return x0, y0, x1, y1
