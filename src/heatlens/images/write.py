"""Files that are either whole or not there: written beside, then put in place."""

import io
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import BadValue

FilePath = str | os.PathLike[str]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}


def write_bytes(path: FilePath, data: bytes) -> Path:
    """Write a file; its folders are made.  On failure nothing is left and an older file stays; raises BadValue."""
    return _written(path, lambda file: file.write(data))


def save_image(path: FilePath, image: Image.Image) -> Path:
    """Write a picture as .png, .jpg, .webp or .tif; raises BadValue."""
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise BadValue(
            f"A picture cannot be written as {str(path)!r}",
            f"Expected an ending of {', '.join(_FORMATS)}",
            "Name it .png",
        )
    options: dict[str, Any] = {"quality": 92} if ending in (".jpg", ".jpeg", ".webp") else {}
    picture = image.convert("RGB") if _FORMATS[ending] == "JPEG" else image
    memory = io.BytesIO()
    try:
        picture.save(memory, _FORMATS[ending], **options)
    except (OSError, ValueError) as error:  # more pixels than the format holds
        raise BadValue(f"{path} cannot be written: {error}", "", "Try .png") from None
    return write_bytes(path, memory.getvalue())


def save_json(path: FilePath, value: object) -> Path:
    """Write JSON, readable for people; numpy numbers, tensors and paths become plain.  NaN raises BadValue."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise BadValue(
            f"{path} cannot be written: {error}", "Expected finite numbers, texts, lists and objects"
        ) from None
    return write_bytes(path, (text + "\n").encode())


def save_array(path: FilePath, array: NDArray[np.generic] | Tensor) -> Path:
    """Write an array as .npy; raises BadValue."""
    numbers = _numbers(array) if isinstance(array, Tensor) else array
    return _written(path, lambda file: np.save(file, numbers, allow_pickle=False))


def _numbers(tensor: Tensor) -> NDArray[np.generic]:
    whole = tensor.detach().cpu()
    known = whole.float() if whole.dtype == torch.bfloat16 else whole  # numpy has no bfloat16
    numbers: NDArray[np.generic] = known.numpy()
    return numbers


def _written(path: FilePath, write: Callable[[BinaryIO], object]) -> Path:
    target = Path(path).expanduser()
    if os.path.isdir(target):
        raise BadValue(f"{target} is a folder", "Expected the name of a file", "Add a file name")
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            write(file)
        os.replace(beside, target)
    except (OSError, ValueError) as error:  # ValueError: a null in the name
        raise BadValue(f"{target} cannot be written: {error}", "", _advice(error)) from None
    finally:
        _remove(beside)
    return target


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
