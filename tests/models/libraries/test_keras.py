"""Keras 3 on torch: names, channels last, logits in front of the softmax; gradients against plain torch."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

import heatlens  # noqa: E402
from heatlens.words.errors import BadValue  # noqa: E402

pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras runs on another backend than torch"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def mobilenet() -> Any:
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=11, alpha=0.35)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.moving_variance.assign(layer.moving_variance * 0.05)  # lets the signal of random weights through
    return model


@pytest.fixture(scope="module")
def images() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 64, 64)


def test_an_application_is_read(mobilenet: Any, images: Tensor) -> None:
    subject = heatlens.load(mobilenet)
    assert subject.preprocessing.size == (64, 64)
    assert (subject.preprocessing.mean, subject.preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)
    assert subject.assumed == ("preprocessing: as keras.applications does for mobilenet",)
    assert subject.remarks == ("the scores are what enters the final softmax",)
    assert subject.default_layers(images) == ("out_relu",)
    names = [name for name, _ in subject.model.named_children()]
    assert names == [layer.name for layer in mobilenet.layers if type(layer).__name__ != "InputLayer"]
    logits = subject.model(images)
    torch.testing.assert_close(logits.softmax(1), mobilenet(images.movedim(1, -1)))
    assert logits.sum(1).abs().min() > 1e-3


def test_maps_equal_the_formulas_on_keras_tensors(mobilenet: Any, images: Tensor) -> None:
    dense = mobilenet.layers[-1]
    below = keras.Model(mobilenet.input, mobilenet.get_layer("out_relu").output)
    A = below(images.movedim(1, -1)).detach().requires_grad_()
    logits = A.mean((1, 2)) @ dense.kernel.value + dense.bias.value
    slope = torch.autograd.grad(logits[:, 3].sum(), A)[0]
    found = heatlens.attribute(mobilenet, images, method=["grad_cam", "layer_cam"], target=3, upsample=False)
    grad_cam = (slope.mean((1, 2), keepdim=True) * A).sum(-1).relu()
    layer_cam = (slope.relu() * A).sum(-1).relu()
    torch.testing.assert_close(found["grad_cam"], grad_cam.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["layer_cam"], layer_cam.detach(), rtol=1e-4, atol=1e-6)


def test_a_replay_equals_the_layers_behind_written_out(mobilenet: Any, images: Tensor) -> None:
    """Scores without one channel each: the network behind the layer is a mean and a dense layer."""
    dense, channels = mobilenet.layers[-1], 40
    below = keras.Model(mobilenet.input, mobilenet.get_layer("out_relu").output)
    mean = below(images.movedim(1, -1)).detach().mean((1, 2))
    kernel, bias = dense.kernel.value[:, 3], dense.bias.value[3]
    expected = (mean @ kernel + bias)[:, None] - (mean * kernel)[:, :channels]

    def scores(activations: Tensor, score_with: Any) -> Tensor:
        def without(stack: Tensor, k: Tensor) -> Tensor:
            kept = torch.ones(len(k), stack.shape[1])
            kept[torch.arange(len(k)), k] = 0
            return stack * kept[:, :, None, None]

        return score_with(without, channels)[:, :, None]

    found = heatlens.attribute(mobilenet, images, method=scores, target=3, layers="out_relu", upsample=False)
    torch.testing.assert_close(found[:, :, 0], expected.detach(), rtol=1e-4, atol=1e-4)


def test_the_model_is_left_as_it_was(mobilenet: Any, images: Tensor) -> None:
    activation, flags = mobilenet.layers[-1].activation, [layer.training for layer in mobilenet.layers]
    heatlens.attribute(mobilenet, images, method=["grad_cam", "ablation_cam"], target=3)
    assert mobilenet.layers[-1].activation is activation
    assert [layer.training for layer in mobilenet.layers] == flags
    assert not any(layer._forward_hooks for layer in mobilenet.layers)
    torch.testing.assert_close(mobilenet(images.movedim(1, -1)).sum(1), torch.ones(2))


def test_nested_models_and_layers_that_prepare(images: Tensor) -> None:
    keras.utils.set_random_seed(0)
    block = keras.Sequential([keras.layers.Conv2D(8, 3, name="inner"), keras.layers.BatchNormalization()], name="block")
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu"),
            block,
            keras.layers.ReLU(name="last"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5),
            keras.layers.Softmax(),
        ]
    )
    subject = heatlens.load(model)
    assert subject.preprocessing.scale == 1
    assert subject.assumed == ("preprocessing: pixels from 0 to 255, which the model's own first layer rescales",)
    assert subject.default_layers() == ("last",)
    torch.testing.assert_close(subject.model(images).softmax(1), model(images.movedim(1, -1)))
    maps = heatlens.attribute(subject, images, method="recipro_cam", layers="inner", upsample=False)
    assert maps.shape == (2, 60, 60)


def test_another_backend_is_refused(mobilenet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(BadValue, match=r"on the jax backend\. Expected the torch backend\. Set KERAS_BACKEND=torch"):
        heatlens.load(mobilenet)
