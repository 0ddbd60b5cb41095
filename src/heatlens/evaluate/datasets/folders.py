"""Folders: photos sorted into a folder per class, and photos beside pictures of their objects' pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...images import made_here
from ...images.reading.kinds import ENDINGS
from ...words.errors import BadPhoto, BadValue
from ...words.wording import readable
from .dataset import Item, Label

_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")
_MOST_CLASSES = 64
"""A mask with more values than this is a drawing with soft edges."""


def image_folder(path: Path) -> Iterator[Item]:
    """`CLASS/…/PHOTO`: the first folder is the class, by name, else by its place in sorted order.

    Photos that lie in the folder itself have no class.
    """
    photos = found_photos(path)
    groups = sorted({photo.relative_to(path).parts[0] for photo in photos if photo.parent != path})
    places = {group: place for place, group in enumerate(groups)}
    for photo in photos:
        name = photo.relative_to(path)
        labels: tuple[Label, ...] = (name.parts[0], places[name.parts[0]]) if len(name.parts) > 1 else ()
        yield Item(name.as_posix(), photo, labels)


def mask_folder(path: Path, *, photos: str = "images", masks: str = "masks") -> Iterator[Item]:
    """`images/…/PHOTO` and `masks/…/PHOTO`, of one name apart from the ending; folders inside are classes.

    In a mask 0 is no object and 255 an object; where it also holds other values, those are objects and 255 is not
    judged, as in Pascal VOC.  In a JPEG, or where the edges are soft (more than 64 values), an object is what is half
    of 255 and more.  A photo without a mask is an error of that photo.
    """
    inside = path / masks
    drawn = {_without_ending(mask.relative_to(inside)): mask for mask in found_photos(inside)}
    for item in image_folder(path / photos):
        mask = drawn.get(_without_ending(Path(item.name)))
        yield Item(item.name, item.photo, item.labels, reading=partial(_with_mask, path=mask))


def found_photos(path: Path) -> list[Path]:
    """Every photo in a folder and its folders, sorted; hidden ones and pictures that heatlens made are left out."""
    found = (p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file() and not made_here(p))


def _without_ending(name: Path) -> str:
    return readable(name.with_suffix("").as_posix())


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The values of a mask's picture (H, W), palette indices where it has a palette; raises BadPhoto."""
    try:
        with Image.open(path) as picture:
            plain = picture if picture.mode in ("1", "L", "P") else picture.convert("L")
            values = np.asarray(plain)
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise BadPhoto(f"the mask {path} cannot be read: {error}", "a picture of one channel") from None
    return values.astype(np.uint8) * 255 if values.dtype == bool else values


def with_masks(item: Item, paths: Sequence[Path]) -> Item:
    """The item with what its masks say together: an object where any of them has one.  Raises BadPhoto, BadValue."""
    masks = [_judged(path) for path in paths]
    if len({mask.shape for mask in masks}) > 1:
        raise BadValue(f"the masks of {item.name} differ in size", "the photo's height and width")
    objects, unjudged = (np.any([mask == value for mask in masks], axis=0) for value in (1, 255))
    return replace(item, mask=np.where(objects, 1, np.where(unjudged, 255, 0)).astype(np.uint8))


def _with_mask(item: Item, path: Path | None) -> Item:
    if path is None:
        raise BadValue(f"{item.name} has no mask", "a picture of the same name among the masks")
    return with_masks(item, [path])


def _judged(path: Path) -> NDArray[np.uint8]:
    """1 object, 0 not, 255 not judged."""
    values = read_mask(path)
    if path.suffix.lower() in _LOSSY or len(np.unique(values)) > _MOST_CLASSES:
        return (values >= 128).astype(np.uint8)
    if not np.isin(values, (0, 255)).all():
        return np.where(values == 255, 255, values > 0).astype(np.uint8)
    return (values > 0).astype(np.uint8)
