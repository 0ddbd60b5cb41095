"""`open_dataset`: the form of a data set, named or recognised by what lies there."""

import inspect
import re
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from ...images import made_here
from ...words.converting import convert
from ...words.errors import BadValue, unknown
from ...words.signature import settings
from .coco import coco
from .cub import cub
from .dataset import Dataset, Item, dataset
from .folders import image_folder, mask_folder
from .ilsvrc import ilsvrc
from .spreadsheet import csv_boxes
from .wsol import wsol

Opener = Callable[..., Iterable[Item]]

FORMS: dict[str, Opener] = {
    "folder": image_folder,
    "csv": csv_boxes,
    "ilsvrc": ilsvrc,
    "cub": cub,
    "coco": coco,
    "wsol": wsol,
    "masks": mask_folder,
}
"""The forms of data sets; each function's keyword-only parameters are its options."""

_NAMED = re.compile(rf"({'|'.join(FORMS)}):(.+)", re.DOTALL)


def open_dataset(what: "str | PathLike[str] | Dataset", **options: Any) -> Dataset:
    """A data set from `FORM:PATH` (folder, csv, ilsvrc, cub, coco, wsol, masks), or a path whose form is recognised.

    options: those of the form, such as `root` (where the photos lie) or `blacklist`; text is converted.
    Nothing but names, classes and boxes is read before a photo's turn comes.  Raises `BadValue`, `UnknownName`.
    """
    if isinstance(what, Dataset):
        return what
    named = _NAMED.fullmatch(str(what))
    path = Path(named[2] if named else what).expanduser()
    if not path.exists():
        raise BadValue(f"there is no {path}", "a folder or a file", f"Forms: {', '.join(f'{f}:PATH' for f in FORMS)}")
    form = named[1] if named else recognised(path)
    if form == "csv" and path.is_dir():
        path /= "labels.csv"
    return dataset(str(what), FORMS[form](path, **_checked(form, options)))


def recognised(path: Path) -> str:
    """The form of what lies at a path."""
    if path.is_file():
        form = {".csv": "csv", ".json": "coco"}.get(path.suffix.lower())
        if form is None:
            raise BadValue(f"{path} is in no form that is known", ".csv or .json, or a folder", "Name it: csv:PATH")
        return form
    holds = {
        "cub": ("images.txt", "bounding_boxes.txt"),
        "wsol": ("image_ids.txt", "localization.txt"),
        "csv": ("labels.csv",),
        "masks": ("images", "masks"),
    }
    found = next((form for form, names in holds.items() if all((path / name).exists() for name in names)), None)
    described = any(not made_here(file) for file in path.rglob("*.xml"))
    return found or ("ilsvrc" if described else "folder")


def _checked(form: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options in the types that the form declares."""
    known = settings(FORMS[form])
    annotations = inspect.signature(FORMS[form]).parameters
    for key in options:
        if key not in known:
            raise unknown("option", key, known, owner=f"the form {form}")
    given = {key: value for key, value in options.items() if value is not None}
    plain = {key: str(value) if isinstance(value, PathLike) else value for key, value in given.items()}
    return {key: convert(key, value, annotations[key].annotation, known[key]) for key, value in plain.items()}
