"""The same weights in Jittor and in torch: the same logits, gradients and maps."""

from typing import Any

import pytest
import torch
from jittor.models import resnet18 as jittor_resnet18
from torch import Tensor, nn
from torchvision.models import resnet18

import heatlens
import jittor
from heatlens.models.reading.layers import list_layers
from heatlens.words.errors import EvidenceMissing, UnknownName
from helpers.networks import lively
from jittor import nn as jittor_nn

GRADIENTS = ["grad_cam", "layer_cam", "grad_cam_pp", "hires_cam"]
OTHERS = ["ablation_cam", "recipro_cam", "eigen_cam", "integrad_cam"]
PLAN = (8, 8, "pool", 16, 16, "pool", 24, 24, "pool")


def _vgg(part: Any) -> Any:
    """A small network of VGG's kind, in either framework."""
    layers, width = [], 3
    for step in PLAN:
        if step == "pool":
            layers.append(part.MaxPool2d(2, 2) if part is nn else part.Pool(2, 2))
        else:
            layers += [part.Conv2d(width, step, 3, padding=1), part.ReLU()]
            width = step
    features = part.Sequential(*layers)
    head = part.Sequential(part.Linear(24 * 6 * 4, 32), part.ReLU(), part.Dropout(0.5), part.Linear(32, 11))
    return part.Sequential(features, part.Flatten(), head)


def _same_weights(theirs: Any, ours: nn.Module) -> Any:
    theirs.load_parameters({k: v.numpy() for k, v in ours.state_dict().items() if not k.endswith("tracked")})
    return theirs


Pair = tuple[Any, nn.Module, Tensor, str]


@pytest.fixture(scope="session")
def pairs() -> dict[str, Pair]:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    resnet = lively(resnet18(num_classes=11), images)
    small, vgg = torch.rand(2, 3, 48, 32), _vgg(nn).eval()
    for module in vgg.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)  # lets the signal of random weights through
    return {
        "resnet": (_same_weights(jittor_resnet18(num_classes=11), resnet), resnet, images, "layer4"),
        "vgg": (_same_weights(_vgg(jittor_nn), vgg), vgg, small, "0.8"),
    }


@pytest.fixture(params=["resnet", "vgg"])
def pair(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> Pair:
    return pairs[request.param]


def _same(ours: Tensor, theirs: Tensor) -> None:
    assert bool(theirs.any())
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-5 * float(theirs.abs().max()))


def test_logits(pair: Pair) -> None:
    theirs, network, images, _ = pair
    _same(heatlens.load(theirs).model(images), network(images).detach())


def test_the_default_layer(pair: Pair) -> None:
    theirs, network, images, _ = pair
    assert heatlens.load(theirs).default_layers(images) == heatlens.load(network).default_layers(images)


@pytest.mark.parametrize("method", GRADIENTS + OTHERS)
def test_maps(pair: Pair, method: str) -> None:
    theirs, network, images, layer = pair
    best = network(images).argmax(1).tolist()
    asked: dict[str, Any] = {"method": method, "target": best, "layers": layer, "upsample": False}
    _same(heatlens.attribute(theirs, images, **asked), heatlens.attribute(network, images, **asked))


def test_several_layers_share_one_pass(pairs: dict[str, Pair]) -> None:
    theirs, network, images, _ = pairs["resnet"]
    asked: dict[str, Any] = {"method": "layer_cam", "target": 3, "layers": ["layer4", "layer2", "layer3.0.conv1"]}
    for fuse in ("mean", "tanh_maximum"):
        _same(
            heatlens.attribute(theirs, images, fuse=fuse, **asked),
            heatlens.attribute(network, images, fuse=fuse, **asked),
        )


def test_gradients_of_the_images(pairs: dict[str, Pair]) -> None:
    theirs, network, images, _ = pairs["resnet"]
    found = []
    for model in (heatlens.load(theirs).model, network):
        leaf = images.clone().requires_grad_()
        found.append(torch.autograd.grad(model(leaf)[:, 3].sum(), leaf)[0])
    _same(*found)


def test_layers_are_listed_by_jittors_names(pairs: dict[str, Pair]) -> None:
    theirs, network, images, _ = pairs["resnet"]
    subject = heatlens.load(theirs)
    listed = list_layers(subject.model, (images,), {}, subject.reading)
    expected = list_layers(network, (images,), {}, subject.reading)
    assert {(layer.name, layer.shape) for layer in listed} == {(layer.name, layer.shape) for layer in expected}
    with pytest.raises(UnknownName, match="layer5"):
        heatlens.attribute(subject, images, layers="layer5")


def test_the_model_is_left_as_it_was(pairs: dict[str, Pair]) -> None:
    theirs, _, images, _ = pairs["resnet"]
    theirs.train()
    before = theirs.bn1.running_mean.numpy().copy()
    heatlens.attribute(theirs, images, method=["grad_cam", "ablation_cam"], target=3)
    assert theirs.is_training()
    assert (theirs.bn1.running_mean.numpy() == before).all()
    assert not any("execute" in module.__dict__ for module in theirs.modules())
    theirs.eval()


def test_what_jittor_is_not_asked_for(pairs: dict[str, Pair]) -> None:
    theirs, _, images, _ = pairs["resnet"]
    with pytest.raises(
        EvidenceMissing, match=r"^full_grad needs full_gradients; Jittor is asked for .* Methods that work: "
    ):
        heatlens.attribute(theirs, images, method="full_grad")


def test_the_version_that_is_documented() -> None:
    assert jittor.__version__.startswith("1.3.11")
