"""Files that are either whole or not there: written beside, then put in place."""

import io
import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor

from ...words.errors import BadValue, FileThere
from ...words.wording import MARK
from .same_content import alike

FilePath = str | os.PathLike[str]

_SOFTWARE = 0x0131
"""TIFF's tag for the program that made a picture."""
_OVERWRITING = "Choose another name, or allow it with overwrite=True, on the command line --overwrite"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}


def write_bytes(path: FilePath, data: bytes, *, overwrite: bool = True) -> Path:
    """Write a file; its folders are made.  On failure nothing is left and an older file stays.

    overwrite False: a file that is there stays as it is: `FileThere`, unless it is `alike`.  Raises BadValue.
    """
    target = Path(path).expanduser()
    if os.path.isdir(target):
        raise BadValue(f"{target} is a folder", "Expected the name of a file", "Add a file name")
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            file.write(data)
        if overwrite:
            os.replace(beside, target)
        elif not _put_if_free(beside, target) and not alike(target, data):
            raise FileThere(f"{target} is there already, and holds something else", "a new file", _OVERWRITING)
    except (OSError, ValueError) as error:  # ValueError: a null in the name
        raise BadValue(f"{target} cannot be written: {error}", "", _advice(error)) from None
    finally:
        _remove(beside)
    return target


def save_image(path: FilePath, image: Image.Image, *, overwrite: bool = True) -> Path:
    """Write a picture as .png, .jpg, .webp or .tif, with the mark of heatlens inside; raises BadValue."""
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise BadValue(
            f"A picture cannot be written as {str(path)!r}",
            f"Expected an ending of {', '.join(_FORMATS)}",
            "Name it .png",
        )
    form = _FORMATS[ending]
    picture = image.convert("RGB") if form == "JPEG" else image
    memory = io.BytesIO()
    try:
        picture.save(memory, form, **_options(form))
    except (OSError, ValueError) as error:  # more pixels than the format holds
        raise BadValue(f"{path} cannot be written: {error}", "", "Try .png") from None
    return write_bytes(path, memory.getvalue(), overwrite=overwrite)


def save_json(path: FilePath, value: object, *, overwrite: bool = True) -> Path:
    """Write JSON, readable for people; numpy numbers, tensors and paths become plain.  NaN raises BadValue.

    What is no UTF-8, as the bytes of a file's name may be, is escaped, so that Python reads the same name again.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise BadValue(
            f"{path} cannot be written: {error}", "Expected finite numbers, texts, lists and objects"
        ) from None
    return write_bytes(path, (text + "\n").encode("utf-8", "backslashreplace"), overwrite=overwrite)


def save_array(path: FilePath, array: NDArray[np.generic] | Tensor, *, overwrite: bool = True) -> Path:
    """Write an array as .npy; raises BadValue."""
    memory = io.BytesIO()
    np.save(memory, _numbers(array) if isinstance(array, Tensor) else array, allow_pickle=False)
    return write_bytes(path, memory.getvalue(), overwrite=overwrite)


def _options(form: str) -> dict[str, Any]:
    """How a picture is encoded, and where its format keeps the mark."""
    match form:
        case "PNG":
            said = PngImagePlugin.PngInfo()
            said.add_text("Software", MARK)
            return {"pnginfo": said}
        case "JPEG":
            return {"quality": 92, "comment": MARK}
        case "WEBP":
            exif = Image.Exif()
            exif[_SOFTWARE] = MARK
            return {"quality": 92, "exif": exif}
        case _:
            return {"tiffinfo": {_SOFTWARE: MARK}}


def _numbers(tensor: Tensor) -> NDArray[np.generic]:
    whole = tensor.detach().cpu()
    known = whole.float() if whole.dtype == torch.bfloat16 else whole  # numpy has no bfloat16
    numbers: NDArray[np.generic] = known.numpy()
    return numbers


def _put_if_free(beside: Path, target: Path) -> bool:
    """Put a file in place if nothing is there; whether it was, in one step, whoever else writes meanwhile."""
    try:
        os.link(beside, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: the place is taken first, and then filled
        try:
            target.open("xb").close()
        except FileExistsError:
            return False
        try:
            os.replace(beside, target)
        except BaseException:
            _remove(target)
            raise
    return True


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except (OSError, ValueError):  # its folder could not be made or entered: there is nothing to remove
        return


def _advice(error: Exception) -> str:
    match error:
        case PermissionError():
            return "Choose another folder, or change its permissions"
        case FileExistsError() | NotADirectoryError():
            return "A file stands where a folder is needed: choose another folder"
        case _:
            return "Check the name and the space on the disk"


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | Tensor):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
