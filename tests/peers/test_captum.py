"""The same numbers as captum, without any normalisation."""

import pytest
import torch

import heatlens
from helpers.networks import torchvision_model

attr = pytest.importorskip("captum.attr")


@pytest.mark.parametrize(("network", "layer"), [("resnet18", "layer3"), ("vgg11", "features.15")])
def test_grad_cam(network: str, layer: str) -> None:
    model, images = torchvision_model(network, size=96)
    theirs = attr.LayerGradCam(model, model.get_submodule(layer)).attribute(
        images.clone(), target=5, relu_attributions=True
    )
    ours = heatlens.attribute(model, images, target=5, layers=layer, upsample=False)
    assert theirs.abs().max() > 0
    torch.testing.assert_close(ours, theirs.squeeze(1).detach(), rtol=1e-4, atol=1e-6 * float(theirs.abs().max()))


def test_hires_cam_is_gradient_times_activation_summed() -> None:
    model, images = torchvision_model("resnet18", size=96)
    theirs = attr.LayerGradientXActivation(model, model.layer3).attribute(images.clone(), target=5).sum(1)
    ours = heatlens.attribute(model, images, method="hires_cam", target=5, layers="layer3", upsample=False)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_layer_integrated_gradients() -> None:
    """captum walks through pictures or activations; from a zero activation only a linear stem gives the same path."""
    model, images = torchvision_model("resnet18", size=64)
    with torch.no_grad():
        stack = {}
        handle = model.layer4.register_forward_hook(lambda m, a, o: stack.update(a=o.clone()))
        model(images)
        handle.remove()
    tail = torch.nn.Sequential(model.avgpool, torch.nn.Flatten(), model.fc, torch.nn.Softmax(1))
    steps = 12
    theirs = attr.IntegratedGradients(tail).attribute(
        stack["a"], torch.zeros_like(stack["a"]), target=5, n_steps=steps, method="riemann_middle"
    )
    ours = heatlens.attribute(
        model,
        images,
        method="layer_integrated_gradients",
        target="probability:5",
        layers="layer4",
        settings={"steps": steps},
        upsample=False,
    )
    torch.testing.assert_close(ours, theirs.sum(1).detach(), rtol=1e-3, atol=1e-5 * float(theirs.abs().max()))
