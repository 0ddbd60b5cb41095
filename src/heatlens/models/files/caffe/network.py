"""A deploy prototxt as a torch module: layers by their names, blobs flowing between them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....words.errors import BadValue, ModelUnavailable
from ..building import first_line
from .layers import built, first
from .prototxt import Message

_OLD = {"RELU": "ReLU", "LRN": "LRN", "PRELU": "PReLU", "TANH": "TanH"}
"""Names of the old enumeration that are not simply words in capitals."""
_INPUTS = ("Input", "Data", "ImageData", "MemoryData", "DummyData", "HDF5Data", "WindowData")
_TRAINING = ("Accuracy", "SoftmaxWithLoss", "SoftmaxLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss", "Silence")


class CaffeNet(nn.Module):
    """(n, channels, h, w) -> the last blob; a Softmax at the end is left out, so that these are scores.

    Every layer is a submodule under its name in the prototxt.  In-place layers make new tensors here.
    """

    def __init__(self, message: Message, name: str) -> None:
        super().__init__()
        self.input, self.size = _input(message, name)
        layers = _without_softmax([layer for layer in _layers(message) if _computes(layer)])
        if not layers:
            raise ModelUnavailable(f"{name} holds no layers", "a prototxt of a network")
        self.steps: list[tuple[str, list[str], list[str]]] = []
        self.output = str(layers[-1]["top"][0])
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Layer -> the shape of its blob, for one image."""
        self.written: dict[str, str] = {}
        """Layer -> its name in the prototxt, where a module cannot have it."""
        with torch.device("meta"):
            self._build(layers, name)

    def _build(self, layers: Sequence[Message], name: str) -> None:
        blobs = {self.input: torch.empty(1, *self.size)}
        for layer in layers:
            called = self._free(str(first(layer, "name", "")))
            bottoms, tops = list(map(str, layer.get("bottom", []))), list(map(str, layer.get("top", [])))
            if absent := [bottom for bottom in bottoms if bottom not in blobs] or ([] if bottoms else ["nothing"]):
                raise ModelUnavailable(f"{name}: layer {called!r} reads {absent[0]!r}, which no layer before it writes")
            try:
                module = built(kind_of(layer), layer, [tuple(blobs[bottom].shape) for bottom in bottoms])
                self.add_module(called, module)
                out = module.eval()(*(blobs[bottom] for bottom in bottoms))
            except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
                raise ModelUnavailable(f"{name}: layer {called!r} cannot be built: {first_line(error)}") from error
            self.written[called] = str(first(layer, "name", ""))
            self.steps.append((called, bottoms, tops))
            self.shapes[called] = tuple(out.shape)
            blobs.update(dict.fromkeys(tops, out))

    def _free(self, name: str) -> str:
        """A name that a submodule can have: without dots, and not that of something every module has."""
        name = name.replace(".", "_")
        while hasattr(self, name) or not name:
            name += "_"
        return name

    def forward(self, images: Tensor) -> Tensor:
        """Images -> scores."""
        blobs = {self.input: images}
        for name, bottoms, tops in self.steps:
            out = self._modules[name](*(blobs[bottom] for bottom in bottoms))  # type: ignore[misc]
            blobs.update(dict.fromkeys(tops, out))
        return blobs[self.output]


def kind_of(layer: Message) -> str:
    """A layer's type, the old spelling (INNER_PRODUCT) as the new (InnerProduct)."""
    kind = str(first(layer, "type", ""))
    if not kind.isupper() or kind == "LRN":
        return kind
    return _OLD.get(kind, "".join(word.capitalize() for word in kind.split("_")))


def _layers(message: Message) -> list[Message]:
    return [*message.get("layer", []), *message.get("layers", [])]


def _computes(layer: Message) -> bool:
    """Whether a layer is part of the network that is asked: not its data, its losses, nor what only trains."""
    phases = [first(rule, "phase") for rule in layer.get("include", [])]
    excluded = [first(rule, "phase") for rule in layer.get("exclude", [])]
    if (phases and "TRAIN" in phases and "TEST" not in phases) or "TEST" in excluded:
        return False
    return kind_of(layer) not in (*_INPUTS, *_TRAINING)


def _without_softmax(layers: list[Message]) -> list[Message]:
    return layers[:-1] if layers and kind_of(layers[-1]) == "Softmax" else layers


def _input(message: Message, name: str) -> tuple[str, tuple[int, ...]]:
    """The blob that the images are, and its (channels, h, w)."""
    data: list[Message] = [layer for layer in _layers(message) if kind_of(layer) == "Input"]
    where: Any = first(data[0], "input_param", {}) if data else message
    shapes = where.get("shape", []) or where.get("input_shape", [])
    dims = shapes[0].get("dim", []) if shapes else where.get("input_dim", [])
    called = str(first(data[0], "top")) if data else first(message, "input", "")
    if len(dims) < 4 or not called:
        raise BadValue(
            f"{name} does not say how large its images are",
            "a deploy prototxt, with input_dim, input_shape or an Input layer",
        )
    return str(called), tuple(int(dim) for dim in dims[1:4])
