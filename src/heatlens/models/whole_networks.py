"""Networks that are whole in one file, or that left Python: ONNX, programs of torch.export, TorchScript."""

from typing import Any

import torch

from ..words.errors import BadValue
from .files.exported import load as exported
from .files.onnx.load import onnx
from .subject.subject import Subject

_FILES = (".onnx", *exported.ENDINGS)


def is_file(name: str) -> bool:
    """Whether a name is that of a file which holds a whole network."""
    return name.lower().endswith(_FILES)


def from_file(name: str, weights: Any = None, **options: Any) -> Subject:
    """The network of an ONNX, torch.export or TorchScript file, which has its weights in it."""
    if weights not in (None, "none"):
        raise BadValue(f"weights={weights!r} for {name}", "none: the file has its own")
    is_onnx = name.lower().endswith(".onnx")
    runtime = options.pop("runtime", None) if is_onnx else None
    if options:
        raise BadValue(f"{', '.join(options)} for {name}", "runtime=… for an ONNX file, and what a person knows better")
    return onnx(name, runtime) if is_onnx else exported.from_file(name)


def from_object(model: Any) -> Subject | None:
    """A subject of an exported program or TorchScript; None for anything else."""
    if isinstance(model, torch.export.ExportedProgram):
        return exported.program(model)
    if isinstance(model, torch.jit.ScriptModule):
        return exported.scripted(model)
    return None
