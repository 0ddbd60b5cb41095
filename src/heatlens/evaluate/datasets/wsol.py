"""The metadata of the evaluation of weakly supervised localisation, for ILSVRC, CUB and OpenImages alike.
Choe et al., CVPR 2020, arXiv:2001.07437.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...metrics.truth import Box
from ...words.errors import BadValue
from .dataset import Item, blank_mask
from .folders import read_mask


def wsol(path: Path, *, root: str | None = None, masks: str | None = None) -> Iterator[Item]:
    """A folder with `image_ids.txt`, `class_labels.txt`, `image_sizes.txt` and `localization.txt`.

    The latter holds boxes `id,x0,y0,x1,y1`, taken as they are, or `id,mask,ignored`: a mask for each object and one of
    the pixels that are not judged.  root: the folder that ids are named from, else the metadata's; masks: that of the
    masks, else root.
    """
    folder = Path(root).expanduser() if root else path
    labels = {row[0]: row[1:] for row in _table(path / "class_labels.txt", 2)}
    sizes = {row[0]: row[1:] for row in _table(path / "image_sizes.txt", 3)}
    places: dict[str, list[list[str]]] = defaultdict(list)
    for key, *place in _table(path / "localization.txt", 3):
        places[key].append(place)
    for name, *_ in _table(path / "image_ids.txt", 1):
        try:
            label, size = int(labels[name][0]), (int(sizes[name][0]), int(sizes[name][1]))
            boxed = [place for place in places[name] if len(place) == 4]
            item = Item(name, folder / name, (label,), tuple(map(_box, boxed)))
        except (KeyError, ValueError):
            raise BadValue(
                f"{name} in {path} has no class, size or place", "a line in each of the four files"
            ) from None
        drawn = [place for place in places[name] if len(place) != 4]
        where = Path(masks).expanduser() if masks else folder
        yield replace(item, reading=partial(_with_mask, folder=where, places=drawn, size=size)) if drawn else item


def _table(path: Path, least: int) -> list[list[str]]:
    try:
        rows = [
            [word.strip() for word in line.split(",")] for line in path.read_text("utf-8").splitlines() if line.strip()
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"{path} cannot be read: {error}", "a file of the metadata") from None
    if short := next((row for row in rows if len(row) < least), None):
        raise BadValue(f"the line {','.join(short)!r} of {path}", f"{least} values or more")
    return rows


def _box(words: list[str]) -> Box:
    x0, y0, x1, y1 = map(float, words)
    return x0, y0, x1, y1


def _with_mask(item: Item, folder: Path, places: list[list[str]], size: tuple[int, int]) -> Item:
    """All objects' masks together, at the photo's size; what is ignored and no object is not judged."""
    mask = blank_mask(item, size[::-1])
    objects = [_at(folder / place[0], size) for place in places if place[0]]
    ignored = [_at(folder / place[1], size) for place in places if place[1]]
    for more in ignored:
        mask[more] = 255
    for one in objects:
        mask[one] = 1
    return replace(item, mask=mask)


def _at(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a mask is more than half, at (width, height)."""
    picture = Image.fromarray(read_mask(path))
    fitted = picture if picture.size == size else picture.resize(size, Image.Resampling.NEAREST)
    found: NDArray[np.bool_] = np.asarray(fitted) > 127
    return found
