"""The small classifier that ships inside heatlens: everyday things, offline.  See docs/model-card.md."""

import hashlib
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import torch
from torch import Tensor

from ...images import Preprocessing
from ...targets import Classes
from ...words.errors import BadValue, ModelUnavailable
from ..subject.library import Library
from ..subject.subject import Subject
from .networks import BundledCNN

_FILE = "bundled_cnn.safetensors"
TERMS = "weights learned from photos under non-commercial research terms (LICENSE-WEIGHTS.md beside them)"


def names() -> list[str]:
    """The networks that ship with heatlens."""
    return ["bundled"]


def bundled(name: str = "bundled", weights: Any = None, **arguments: Any) -> Subject:
    """The bundled classifier; `ModelUnavailable` where its file is damaged."""
    if weights is not None or arguments:
        raise BadValue("weights or arguments for the bundled model", "neither: it comes as it is")
    data = _checked(_FILE)
    from safetensors.torch import load

    classes = _classes()
    with torch.device("meta"):  # no time is spent on random weights
        model = BundledCNN(len(classes))
    model.load_state_dict({key: _single(value) for key, value in load(data).items()}, assign=True)
    return Subject(name, model.eval(), _preprocessing(data), classes, layers=("neck",))


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _checked(name: str) -> bytes:
    """The bytes of a shipped file, if they are the ones that were shipped."""
    folder = files("heatlens.models.bundled")
    data, shipped = _bytes(folder.joinpath(name)), _bytes(folder.joinpath("SHA256SUMS")).decode()
    if f"{hashlib.sha256(data).hexdigest()}  {name}" not in shipped.splitlines():
        raise ModelUnavailable(
            f"the bundled weights {name} are damaged", "the file that was shipped", "Install heatlens again"
        )
    return data


def _bytes(file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelUnavailable(
            f"the bundled weights {file.name} cannot be read ({error.strerror})", "", "Install heatlens again"
        ) from None


def _classes() -> Classes:
    table = json.loads(files("heatlens.models.bundled").joinpath("classes.json").read_text("utf-8"))
    return Classes(
        tuple(row["name"] for row in table),
        tuple(tuple(row["synonyms"]) for row in table),
        tuple(tuple(row["wnids"]) for row in table),
    )


def _preprocessing(data: bytes) -> Preprocessing:
    """As the file's own header says."""
    length = int.from_bytes(data[:8], "little")
    said = {
        key: json.loads(value)
        for key, value in json.loads(data[8 : 8 + length])["__metadata__"].items()
        if key != "network"
    }
    return Preprocessing(
        size=(said["size"], said["size"]), mean=tuple(said["mean"]), std=tuple(said["std"]), resize="squash"
    )


BUNDLED = Library("bundled", bundled, names)
