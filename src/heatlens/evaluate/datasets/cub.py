"""Caltech-UCSD Birds-200-2011.  Wah et al., Caltech CNS-TR-2011-001."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ...words.errors import BadValue
from .dataset import Item, Label
from .folders import read_mask

_SPLITS = {"train": {"1"}, "test": {"0"}, "all": {"0", "1"}}


def cub(
    path: Path, *, split: Literal["test", "train", "all"] = "test", segmentations: str = "segmentations"
) -> Iterator[Item]:
    """The release as it is unpacked; masks where the folder of segmentations is there.

    A pixel belongs to the bird where at least half of those who drew it say so (value 128 of 255 and more).
    """
    photos, boxes, classes, splits = (
        _table(path / name)
        for name in ("images.txt", "bounding_boxes.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    names = _table(path / "classes.txt") if (path / "classes.txt").is_file() else {}
    for key, (photo, *_) in photos.items():
        try:
            if splits[key][0] not in _SPLITS[split]:
                continue
            x, y, width, height = map(float, boxes[key])
            labels = _labels(classes[key][0], names)
        except (KeyError, ValueError, IndexError):
            raise BadValue(
                f"photo {key} of {path} has no class, box or split", "a line in each of the four files"
            ) from None
        drawn = (path / segmentations / photo).with_suffix(".png")
        reading = partial(_with_mask, path=drawn) if drawn.is_file() else None
        yield Item(photo, path / "images" / photo, labels, ((x, y, x + width, y + height),), reading=reading)


def _table(path: Path) -> dict[str, list[str]]:
    """The first word of a line -> the others."""
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"{path} cannot be read: {error}", "a file of CUB-200-2011") from None
    return {key: words for key, *words in lines}


def _labels(number: str, names: dict[str, list[str]]) -> tuple[Label, ...]:
    """`001.Black_footed_Albatross` with and without its number, and the index, counted from 0."""
    spoken = [text for name in names.get(number, []) for text in (name.partition(".")[2], name) if text]
    return (*spoken, int(number) - 1)


def _with_mask(item: Item, path: Path) -> Item:
    return Item(item.name, item.photo, item.labels, item.boxes, (read_mask(path) >= 128).astype(np.uint8))
