"""Files of Caffe, written for tests: a caffemodel's wire format in a few lines."""

import struct
from collections.abc import Iterable
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatlens.models.files.caffe.network import CaffeNet
from heatlens.models.files.caffe.prototxt import parse


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(tensor: Tensor, old: bool = False, packed: bool = True) -> bytes:
    """BlobProto: its shape (or num, channels, height, width), its numbers (in one piece, or one by one)."""
    sizes = tuple(tensor.shape)
    if old:
        shape = b"".join(field(i + 1, size) for i, size in enumerate((1,) * (4 - len(sizes)) + sizes))
    else:
        shape = field(7, field(1, b"".join(map(varint, sizes))))
    numbers = tensor.flatten().numpy().astype("<f4")
    if packed:
        return shape + field(5, numbers.tobytes())
    return shape + b"".join(varint(5 << 3 | 5) + struct.pack("<f", n) for n in numbers)


def caffemodel(weights: dict[str, Iterable[Tensor]], old: bool = False) -> bytes:
    """NetParameter with the blobs of layers, as `layer` or as the old `layers`."""
    out = field(1, b"a network")
    for name, tensors in weights.items():
        parts = [field(4 if old else 1, name.encode())]
        parts += [field(6 if old else 7, blob(t, old)) for t in tensors]
        out += field(2 if old else 100, b"".join(parts))
    return out


def random_weights(prototxt: str, seed: int = 0) -> dict[str, list[Tensor]]:
    """He's weights for every layer that has some, by the shapes that the network itself shows."""
    generator = torch.Generator().manual_seed(seed)
    net = CaffeNet(parse(prototxt, "a test"), "a test")
    found: dict[str, list[Tensor]] = {}
    for called, name in net.written.items():
        module = net.get_submodule(called)
        if isinstance(module, torch.nn.BatchNorm2d):
            size = (module.num_features,)
            mean, var = torch.randn(size, generator=generator), torch.rand(size, generator=generator) + 0.5
            found[name] = [3 * mean, 3 * var, torch.tensor([3.0])]
            continue
        for key, parameter in module.named_parameters():
            std = (2 / prod(parameter.shape[1:])) ** 0.5 if parameter.ndim > 1 else 0.1
            numbers = std * torch.randn(parameter.shape, generator=generator)
            found.setdefault(name, []).append(numbers + (parameter.ndim == 1 and key == "weight"))
    return found


def written(folder: Path, prototxt: str, old: bool = False) -> tuple[Path, Path]:
    """A prototxt and a caffemodel with random weights for it."""
    files = folder / "net.prototxt", folder / "net.caffemodel"
    files[0].write_text(prototxt)
    files[1].write_bytes(caffemodel(random_weights(prototxt), old))
    return files


def opencv(files: tuple[Path, Path], images: Tensor, layer: str | None = None) -> Tensor:
    """What OpenCV's importer computes: the named layer's output, or the last one's."""
    import cv2

    net = cv2.dnn.readNetFromCaffe(*map(str, files))
    net.enableFusion(False)
    net.setInput(np.ascontiguousarray(images.numpy()))
    return torch.from_numpy(net.forward(layer) if layer else net.forward())
