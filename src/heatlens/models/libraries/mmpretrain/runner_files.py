"""Checkpoints that MMEngine's Runner wrote, read without running anything in them.

Beside the weights such a file keeps the history of its training as Python objects.  torch's safe reader refuses them;
here it is told to put an inert stand-in where one of a few names stands, so none of what they name is ever called.
Any other name is refused as before.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.serialization import safe_globals

from ...files.checkpoints import read_file, tensors_of

_HISTORY = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)
"""What the training history is made of."""


class _Inert:
    """Stands where an object was, and is nothing."""

    def __init__(self, *said: object) -> None:
        """Whatever the object would have been made from is forgotten."""

    def __setstate__(self, state: object) -> None:
        """Neither is its state kept."""


def read_runner_file(path: str | Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a checkpoint by name, and the class names in its meta data if there are any.

    Raises `ModelUnavailable` for a file that is absent, damaged, or holds anything else than a Runner writes.
    """
    with safe_globals([(_Inert, name) for name in _HISTORY]):
        held = read_file(path)
    return tensors_of(held, Path(path).name), _class_names(held)


def _class_names(held: Any) -> tuple[str, ...]:
    """`dataset_meta.classes` of MMPretrain 1, `CLASSES` of MMClassification 0."""
    meta = held.get("meta") if isinstance(held, Mapping) else None
    if not isinstance(meta, Mapping):
        return ()
    dataset = meta.get("dataset_meta")
    names = dataset.get("classes") if isinstance(dataset, Mapping) else meta.get("CLASSES")
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()
