"""Keras 3 on torch: layers by their Keras names, channels last, logits in front of a final softmax."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...images import Preprocessing
from ...targets import Classes, Meaning
from ...words.errors import BadValue
from ...words.optional import require
from ..reading.layouts import Reading
from ..subject.library import Library
from ..subject.subject import Subject
from .imagenet import imagenet_classes

_CAFFE = Preprocessing(scale=1.0, channels="BGR", mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0))
_BOTH_SIDES = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_AS_IT_IS = Preprocessing(scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
_FROM_0_TO_1 = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
_APPLICATIONS = {
    "vgg": _CAFFE,
    "resnet50v2": _BOTH_SIDES,
    "resnet101v2": _BOTH_SIDES,
    "resnet152v2": _BOTH_SIDES,
    "resnet": _CAFFE,
    "densenet": Preprocessing(),
    "inception": _BOTH_SIDES,
    "xception": _BOTH_SIDES,
    "mobilenetv3": _AS_IT_IS,
    "mobilenet": _BOTH_SIDES,
    "nasnet": _BOTH_SIDES,
    "efficientnet": _AS_IT_IS,
    "convnext": _AS_IT_IS,
}
"""What `preprocess_input` of keras.applications does, by the beginning of the model's name."""


def made_with_keras(model: Any) -> bool:
    """Whether this is a Keras model, without importing Keras."""
    bases = {f"{base.__module__}.{base.__name__}" for base in type(model).__mro__}
    return "keras.src.models.model.Model" in bases


def keras(model: Any) -> Subject:
    """A Keras model on the torch backend; `BadValue` on another."""
    backend = require("keras").config.backend()
    if backend != "torch":
        raise BadValue(f"a Keras model on the {backend} backend", "the torch backend", "Set KERAS_BACKEND=torch")
    last_first = tuple(model.input_shape or ()) if isinstance(getattr(model, "input_shape", None), tuple) else ()
    network = KerasNetwork(model, channels_last=_channels_last(model))
    preprocessing, why = _preprocessing(model)
    sides = last_first[1:3] if network.channels_last else last_first[2:4]
    if len(sides) == 2 and None not in sides:
        preprocessing = Preprocessing(**{**vars(preprocessing), "size": tuple(sides)})
    return Subject(
        model.name,
        network,
        preprocessing,
        _classes(model),
        Reading(
            channels_last=True if network.channels_last else None,
            outputs=Meaning(scores="multilabel" if network.ending == "sigmoid" else None),
        ),
        assumed=(f"preprocessing: {why}",),
        remarks=(f"the scores are what enters the final {network.ending}",) if network.ending else (),
    )


class KerasNetwork(nn.Module):
    """A Keras model called as torch models are: pictures channels first, its layers as submodules, logits out.

    Layers inside nested models are submodules too; those inside a layer of several parts (attention) stay inside.
    """

    is_graph = True

    def __init__(self, model: Any, channels_last: bool) -> None:
        super().__init__()
        self._called = (model,)  # in a tuple, so that torch does not see the layers twice
        self.channels_last = channels_last
        for layer in _layers(model):
            self._modules[_free(layer.name, self._modules)] = layer
        last = list(_layers(model))[-1]
        self.ending = _ending(last)
        """The activation of the last layer that turns scores into probabilities, or nothing."""
        self._head = (last if self.ending else None,)

    def forward(self, images: Tensor) -> Any:
        shown = images.movedim(1, -1) if self.channels_last else images
        with _linear(self._head[0]):
            return self._called[0](shown, training=False)


@contextmanager
def _linear(layer: Any) -> Iterator[None]:
    """While open, the layer has no softmax or sigmoid."""
    if layer is None:
        yield
        return
    word = "activation" if getattr(getattr(layer, "activation", None), "__name__", "") in _ENDINGS else "call"
    own = layer.__dict__.get(word)
    layer.__dict__[word] = _same
    try:
        yield
    finally:
        if own is None:
            del layer.__dict__[word]
        else:
            layer.__dict__[word] = own


def _same(x: Tensor, *unused: Any, **settings: Any) -> Tensor:
    return x


def _layers(model: Any) -> Iterator[Any]:
    """The layers in order, nested models opened; not those that only stand for an input."""
    for layer in model.layers:
        if made_with_keras(layer):
            yield from _layers(layer)
        elif not _is_layer(layer, "InputLayer"):
            yield layer


def _free(name: str, taken: Any) -> str:
    plain = name.replace(".", "_")
    return next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)


def _is_layer(layer: Any, kind: str) -> bool:
    return type(layer).__name__ == kind


def _ending(layer: Any) -> str:
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    if activation in _ENDINGS:
        return str(activation)
    return "softmax" if _is_layer(layer, "Softmax") else ""


_ENDINGS = ("softmax", "sigmoid")


def _channels_last(model: Any) -> bool:
    formats = {layer.data_format for layer in _layers(model) if hasattr(layer, "data_format")}
    return "channels_first" not in formats


def _preprocessing(model: Any) -> tuple[Preprocessing, str]:
    """As keras.applications does for a model of this name, or what the model's own first layers leave to do."""
    name = str(model.name).lower().replace("_", "")
    known = next((key for key in _APPLICATIONS if name.startswith(key)), None)
    if known is not None:
        return _APPLICATIONS[known], f"as keras.applications does for {known}"
    if any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in list(_layers(model))[:3]):
        return _AS_IT_IS, "pixels from 0 to 255, which the model's own first layer rescales"
    return _FROM_0_TO_1, "pixels from 0 to 1"


def _classes(model: Any) -> Classes:
    name = str(model.name).lower().replace("_", "")
    trained = any(name.startswith(key) for key in _APPLICATIONS)
    shape = getattr(model, "output_shape", None)
    return imagenet_classes() if trained and isinstance(shape, tuple) and shape[-1:] == (1000,) else Classes()


def _wrapped(model: Any) -> Subject | None:
    return keras(model) if made_with_keras(model) else None


KERAS = Library("keras", wrap=_wrapped)
