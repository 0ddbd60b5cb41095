"""Protocol buffers in binary: the blobs of a caffemodel, without protobuf.

Wire format: a varint key (field << 3 | kind), then a varint (0), 8 bytes (1), a length and that many bytes (2), or
4 bytes (5).  Fields by number, from caffe.proto: NetParameter layers = 2 (old), layer = 100; LayerParameter name = 1,
blobs = 7; V1LayerParameter name = 4, blobs = 6; BlobProto num, channels, height, width = 1 … 4 (old), data = 5,
shape = 7 (dim = 1), double_data = 8.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....words.errors import ModelUnavailable
from ..archives import check_sizes

_LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}
"""Field of the network -> the fields of a layer: its name, its blobs."""
_OLD_SHAPE = (1, 2, 3, 4)

Value = int | memoryview


def read_caffemodel(path: Path) -> dict[str, list[Tensor]]:
    """Layer -> its blobs in order, float32; `ModelUnavailable` where the file is no caffemodel."""
    with _opened(path, "a caffemodel") as data:
        found = {
            name: blobs
            for number, layer in _fields(data)
            if number in _LAYER_FIELDS and isinstance(layer, memoryview)
            for name, blobs in [_layer(layer, *_LAYER_FIELDS[number])]
            if blobs
        }
        if not found:
            raise ValueError("no layer in it has weights")
    return found


def read_blob(path: Path) -> Tensor:
    """The one blob of a binaryproto file, such as a mean image (1, 3, h, w)."""
    with _opened(path, "a binaryproto with one blob") as data:
        return _blob(data)


@contextmanager
def _opened(path: Path, expected: str) -> Iterator[memoryview]:
    try:
        check_sizes(path)
        yield memoryview(path.read_bytes())
    except OSError as error:
        raise ModelUnavailable(f"no file {str(path)!r} that can be read", expected) from error
    except (ValueError, RuntimeError) as error:  # of the format; of a shape that does not fit its numbers
        raise ModelUnavailable(f"{path.name} is damaged or something else: {error}", expected) from None


def _fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Every field of a message: its number and its value, a number or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            length, at = _varint(data, at)
        else:
            length = {1: 8, 5: 4}.get(key & 7, -1)
        if length < 0 or key >> 3 == 0:
            raise ValueError(f"no field of a message at byte {at}")
        if at + length > len(data):
            raise ValueError("the file ends too early")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the file ends too early")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"no number at byte {at}")


def _layer(data: memoryview, name: int, blobs: int) -> tuple[str, list[Tensor]]:
    called, found = "", []
    for number, value in _fields(data):
        if isinstance(value, memoryview) and number == name:
            called = bytes(value).decode("utf-8")
        elif isinstance(value, memoryview) and number == blobs:
            found.append(_blob(value))
    return called, found


def _blob(data: memoryview) -> Tensor:
    old = dict.fromkeys(_OLD_SHAPE, 1)
    shape: tuple[int, ...] | None = None
    floats, doubles = [], []
    for number, value in _fields(data):
        if isinstance(value, int):
            if number in old:
                old[number] = value
        elif number == 5:
            floats.append(value)
        elif number == 8:
            doubles.append(value)
        elif number == 7:
            shape = _dimensions(value)
    kind = np.dtype("<f8" if doubles else "<f4")
    numbers = np.frombuffer(b"".join(doubles or floats), kind).astype(np.float32)
    return torch.from_numpy(numbers).reshape(shape if shape is not None else tuple(old.values()))


def _dimensions(data: memoryview) -> tuple[int, ...]:
    """The repeated dim of a BlobShape, packed or one by one."""
    found: list[int] = []
    for _, value in _fields(data):
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            size, at = _varint(value, at)
            found.append(size)
    return tuple(found)
