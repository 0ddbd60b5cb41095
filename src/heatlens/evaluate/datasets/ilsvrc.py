"""ILSVRC's validation set: photos, and a file in the form of Pascal VOC for each.  Russakovsky et al., IJCV 2015,
arXiv:1409.0575."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from ...images import made_here
from ...metrics.truth import Box
from ...words.errors import BadValue
from .dataset import Item
from .folders import found_photos


def ilsvrc(
    path: Path, *, photos: str | None = None, annotations: str | None = None, blacklist: str | None = None
) -> Iterator[Item]:
    """Photos and annotations of one name, wherever they lie in the folder, or in the two that are named.

    A file's corners are the first and the last pixel; a box ends after the last.  blacklist: a text file with the
    numbers of the photos whose boxes are not judged (`ILSVRC2015_clsloc_validation_blacklist.txt`).
    """
    found = (file for file in _inside(path, annotations).rglob("*.xml") if not made_here(file))
    described = {file.stem: file for file in sorted(found)}
    if not described:
        raise BadValue(f"no .xml file in {_inside(path, annotations)}", "one per photo", "Give annotations=FOLDER")
    unjudged = _numbers(_inside(path, blacklist)) if blacklist else set()
    base = _inside(path, photos)
    for photo in found_photos(base):
        judged = _number(photo.stem) not in unjudged
        reading = partial(_with_boxes, path=described.get(photo.stem), judged=judged)
        yield Item(photo.relative_to(base).as_posix(), photo, reading=reading)


def _inside(path: Path, named: str | None) -> Path:
    return path / Path(named).expanduser() if named else path


def _numbers(path: Path) -> set[int]:
    try:
        return {int(word) for word in path.read_text("utf-8").split()}
    except (OSError, ValueError) as error:
        raise BadValue(f"the blacklist {path}: {error}", "a text file with a number per line") from None


def _number(stem: str) -> int:
    """The photo's number: ILSVRC2012_val_00000347 is the 347th."""
    digits = stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else -1


def _with_boxes(item: Item, path: Path | None, judged: bool) -> Item:
    """The class and its boxes; ILSVRC annotates a photo's own class only, others that occur are left out."""
    if path is None:
        raise BadValue(f"{item.name} has no annotation", f"{Path(item.name).stem}.xml")
    try:
        objects = [(_text(found, "name"), _box(found)) for found in ElementTree.parse(path).iter("object")]
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise BadValue(f"{path} cannot be read: {error}", "an annotation in the form of Pascal VOC") from None
    if not objects:
        raise BadValue(f"{path} names no object", "at least one")
    label = objects[0][0]
    boxes = tuple(box for name, box in objects if name == label) if judged else ()
    return Item(item.name, item.photo, (label,), boxes)


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise ValueError(f"an object without <{name}>")
    return text.strip()


def _box(found: ElementTree.Element) -> Box:
    x0, y0, x1, y1 = (float(_text(found, f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax"))
    return x0, y0, x1 + 1, y1 + 1
