"""Networks that left Python: programs of `torch.export` keep their modules, TorchScript only images and outputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ....engine.forward.batching import one_at_a_time
from ....images import Preprocessing
from ....words.errors import BadValue, HeatlensError, ModelUnavailable
from ...reading.layouts import Reading
from ...subject.lacking import PICTURES, Lacking
from ...subject.plain import patch_stride
from ...subject.subject import Subject
from ..archives import check_sizes
from ..building import first_line
from .programs import read_program
from .scripts import read_script

_SCRIPT = (".ts", ".torchscript")
ENDINGS = (".pt2", *_SCRIPT)
"""What the names of such files end in."""


def from_file(path: str | Path) -> Subject:
    """A `.pt2` file of torch.export, or TorchScript in a `.ts` or `.torchscript` file."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelUnavailable(f"no model file {str(path)!r}", f"a file that ends in {' or '.join(ENDINGS)}")
    check_sizes(file)
    try:
        if file.suffix.lower() in _SCRIPT:
            return scripted(read_script(file), file.name)
        return program(read_program(file), file.name)
    except HeatlensError:
        raise
    except Exception as error:  # torch's readers raise anything at what they do not understand
        raise ModelUnavailable(f"{file.name} cannot be read: {first_line(error)}", "an undamaged file") from None


def program(exported: torch.export.ExportedProgram, name: str = "exported program") -> Subject:
    """A program with its modules put back: layers have the names that they had before the export."""
    model = torch.export.unflatten(exported)
    shapes = [
        n.meta["val"].shape for n in exported.graph.nodes if n.op == "placeholder" and n.name in _inputs(exported)
    ]
    images = next((shape for shape in shapes if len(shape) > 2), None)
    if images is None:
        raise BadValue(f"{name} takes inputs of shapes {[tuple(s) for s in shapes]}", "images (n, channels, *size)")
    if isinstance(images[0], int) and images[0] > 1:
        raise BadValue(
            f"{name} takes exactly {images[0]} images",
            "a free number of images",
            "Export it with dynamic_shapes=({0: torch.export.Dim.AUTO},), or for one image",
        )
    if isinstance(images[0], int):
        one_at_a_time(model)
    size = tuple(side for side in images[2:] if isinstance(side, int))
    usual = Preprocessing()
    shown = replace(usual, size=size) if len(size) == len(images) - 2 == 2 else usual
    spoken = "x".join(map(str, shown.size))
    return Subject(
        name,
        model,
        shown,
        reading=Reading(patch=patch_stride(model)),
        assumed=(f"preprocessing: {spoken}, ImageNet mean and std",),
    )


def scripted(model: torch.jit.ScriptModule, name: str = "TorchScript") -> Subject:
    """TorchScript: methods that only look at images and outputs work, and say so of the others."""
    shown = Unseen(model)
    return Subject(
        name,
        shown,
        layers=("image",),
        assumed=("preprocessing: 224x224, ImageNet mean and std",),
        lacking=Lacking(PICTURES, "the layers of TorchScript cannot be looked into"),
    )


class Unseen(nn.Module):
    """A network whose layers nobody sees; the image is its only layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.image = nn.Identity()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(self.image(images))


def _inputs(exported: torch.export.ExportedProgram) -> tuple[str, ...]:
    return tuple(name for name in exported.graph_signature.user_inputs if isinstance(name, str))
