"""From the two files of a Caffe network to a Subject."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ....images import Preprocessing
from ....images.geometry import Channels
from ....words.errors import BadValue, ModelUnavailable
from ....words.npy_files import read_npy
from ...subject.library import Library
from ...subject.subject import Subject
from ..building import check_parameters
from .network import CaffeNet
from .prototxt import read_prototxt
from .wire import read_blob, read_caffemodel

_MEAN = (104.0, 117.0, 123.0)
"""Blue, green, red: what Caffe's own networks subtract."""
_WHOLE = 256
"""The side to which Caffe's networks squash a photo before they cut their input from it."""


def caffe(
    path: str | Path,
    weights: Any = None,
    *,
    mean_file: str | Path | None = None,
    scale: float = 1.0,
    channels: Channels = "BGR",
) -> Subject:
    """path: a deploy prototxt; weights: its caffemodel, or "none" (random).

    A prototxt does not declare what its network expects of a photo: BGR, 0 to 255, mean 104, 117, 123 are assumed, and
    the centre of the photo squashed to 256x256.  mean_file (.binaryproto or .npy): the channels' means of a mean image.
    """
    file = Path(path).expanduser()
    model = CaffeNet(read_prototxt(file), file.name)
    check_parameters(sum(t.numel() for t in model.state_dict().values()), file.name)
    model.to_empty(device="cpu")
    _randomise(model)
    if weights is None:
        raise ModelUnavailable(f"{file.name} comes without weights", "weights=FILE.caffemodel", 'or weights="none"')
    if weights != "none":
        fill_caffe(model, Path(weights).expanduser())
    count, height, width = model.size
    whole = max(_WHOLE, height, width)
    mean = _MEAN if mean_file is None else mean_of(Path(mean_file).expanduser())
    grey = count == 1
    return Subject(
        f"caffe/{file.stem}",
        model.eval(),
        Preprocessing(
            size=(height, width),
            resize="squash",
            shorter_side=(whole, whole),
            mean=(sum(mean) / len(mean),) if grey else mean,
            std=(1.0,) * (1 if grey else 3),
            scale=scale,
            channels="L" if grey else channels,
        ),
        layers=(last_spatial(model),),
        assumed=() if mean_file else (f"preprocessing: {channels} 0 to 255, mean {', '.join(f'{m:g}' for m in mean)}",),
    )


def fill_caffe(model: CaffeNet, path: Path) -> None:
    """Copy the blobs of a caffemodel into the layers of the same names; every layer with weights must have its own."""
    found = read_caffemodel(path)
    state: dict[str, Tensor] = {}
    for name, written in model.written.items():
        module = model.get_submodule(name)
        filled = _filled(module, found.get(written, []), f"{path.name}, layer {written!r}")
        state |= {f"{name}.{key}": tensor for key, tensor in filled.items()}
    model.load_state_dict(state, strict=False)


def _filled(module: nn.Module, blobs: list[Tensor], where: str) -> dict[str, Tensor]:
    """A layer's state from its blobs."""
    wanted = _blobs_of(module)
    needed = len(wanted) + isinstance(module, nn.BatchNorm2d)
    if len(blobs) < needed:
        raise ModelUnavailable(f"{where}: {len(blobs)} of {needed} blobs", "weights of this very network")
    if isinstance(module, nn.BatchNorm2d):  # the third blob is what the sums are to be divided by
        blobs = [blob / blobs[2] if float(blobs[2]) else blob * 0 for blob in blobs[:2]]
    for tensor, blob in zip(wanted.values(), blobs, strict=False):
        if tensor.numel() != blob.numel():
            got, expected = tuple(blob.shape), tuple(tensor.shape)
            raise ModelUnavailable(f"{where}: a blob is {got} where {expected} belongs", "weights of this very network")
    return {key: blob.reshape(tensor.shape) for (key, tensor), blob in zip(wanted.items(), blobs, strict=False)}


def last_spatial(model: CaffeNet) -> str:
    """The last layer with a space, after its ReLU; not a pooling, a dropout, nor the classes themselves."""
    classes = next(reversed(model.shapes.values()))[1]
    skipped = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout)
    for name, shape in reversed(model.shapes.items()):
        spatial = len(shape) == 4 and shape[2] * shape[3] > 1 and shape[1] != classes
        if spatial and not isinstance(model.get_submodule(name), skipped):
            return name
    raise BadValue("the network has no layer with a space", "a convolutional network")


def mean_of(path: Path) -> tuple[float, ...]:
    """The channels' means of a mean image (…, channels, h, w) in a binaryproto or npy file."""
    try:
        image = torch.from_numpy(np.array(read_npy(path), np.float32)) if path.suffix == ".npy" else read_blob(path)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"no mean image {str(path)!r}: {error}", "a .binaryproto or .npy file") from error
    pixels = image.reshape(-1, *image.shape[-2:]) if image.ndim > 1 else image.reshape(-1, 1, 1)
    return tuple(float(channel) for channel in pixels.mean((1, 2)))


def _blobs_of(module: nn.Module) -> dict[str, Tensor]:
    """The tensors that a layer's blobs fill, in Caffe's order."""
    words = ("running_mean", "running_var") if isinstance(module, nn.BatchNorm2d) else ("weight", "bias")
    return {word: t for word in words if isinstance(t := getattr(module, word, None), Tensor)}


def _randomise(model: nn.Module) -> None:
    for module in model.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()


CAFFE = Library("caffe", caffe)
