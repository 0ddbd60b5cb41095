"""The layer that is looked at is the last with places, however wide the outputs are; a head of convolutions is none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import heatlens
from helpers.networks import lively, torchvision_model

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def found(model: nn.Module, **options: Any) -> tuple[str, ...]:
    return heatlens.load(model.eval(), **options).default_layers(IMAGES)


HEADLESS = {
    "resnet18": ("fc", "layer4"),
    "densenet121": ("classifier", "features"),
    "mobilenet_v2": ("classifier", "features"),
    "convnext_tiny": ("classifier", "features"),
}


@pytest.mark.parametrize("name", HEADLESS)
def test_a_head_that_was_taken_away(name: str) -> None:
    head, layer = HEADLESS[name]
    model = getattr(models, name)()
    setattr(model, head, nn.Flatten() if name == "convnext_tiny" else nn.Identity())
    assert found(model) == (layer,)


@pytest.mark.parametrize("classes", [512, 256, 64])
def test_as_many_classes_as_channels(classes: int) -> None:
    assert found(models.resnet18(num_classes=classes)) == ("layer4",)


def test_the_likeness_of_two_photos_without_a_head() -> None:
    model, _ = torchvision_model("resnet18")
    model.fc = nn.Identity()
    subject = heatlens.load(model, size=64)
    photo, other = (IMAGES[i : i + 1] for i in (0, 1))
    reference = model(other)[0].detach()
    found = heatlens.attribute(
        subject, photo, method="grad_cam", upsample=False,
        target=lambda out: torch.cosine_similarity(out, reference[None]),
    )  # fmt: skip
    A = nn.Sequential(*list(model.children())[:-2])(photo).detach().requires_grad_()
    score = torch.cosine_similarity(A.mean((2, 3)), reference[None])
    (slope,) = torch.autograd.grad(score.sum(), A)
    expected = (slope.mean((2, 3), keepdim=True) * A).sum(1).relu().detach()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["vit_b_16", "timm"])
def test_vision_transformers_without_a_head(name: str) -> None:
    torch.manual_seed(0)
    if name == "timm":
        timm = pytest.importorskip("timm")
        model = timm.create_model("vit_tiny_patch16_224", img_size=64)
        model.head = nn.Identity()
        layer = "blocks.11.norm1"
    else:
        model = models.VisionTransformer(64, 16, 3, 2, 48, 96)
        model.heads = nn.Identity()
        layer = "encoder.layers.encoder_layer_2.ln_1"
    lively(model, IMAGES)
    assert found(model) == (layer,)
    assert heatlens.attribute(model, IMAGES, method="attention_rollout", upsample=False).shape == (2, 4, 4)
    assert heatlens.attribute(model, IMAGES, target=lambda out: out[:, 3], upsample=False).shape == (2, 4, 4)


class Tower(nn.Module):
    """A tower whose tokens are as wide as its embedding (open_clip)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 16, 16, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(32))
        block = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(block, 3, enable_nested_tensor=False)
        self.ln_post = nn.LayerNorm(32)
        self.proj = nn.Parameter(torch.randn(32, 32))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv1(x).flatten(2).mT
        tokens = torch.cat([self.class_embedding.expand(len(x), 1, -1), patches], 1)
        return self.ln_post(self.transformer(tokens))[:, 0] @ self.proj


def test_towers_as_wide_as_their_embedding() -> None:
    torch.manual_seed(0)
    tower = Tower()
    (layer,) = found(tower)
    assert layer.startswith("transformer.layers.")
    A: list[Tensor] = []
    handle = tower.get_submodule(layer).register_forward_hook(lambda module, args, out: A.append(out))
    score = tower(IMAGES)[:, 3]
    handle.remove()
    (slope,) = torch.autograd.grad(score.sum(), A[0])
    expected = (slope * A[0])[:, 1:].sum(2).unflatten(1, (4, 4)).detach()
    got = heatlens.attribute(tower, IMAGES, target=3, method="hires_cam", upsample=False)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6)
    assert bool(expected.any())


class Tiny(nn.Module):
    """Convolutions, their mean, perhaps a dense layer."""

    def __init__(self, *body: nn.Module, dense: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.dense = nn.Sequential(*body), dense or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.dense(self.body(x).mean((2, 3)))
        return scores


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


TINY = [
    (Tiny(conv(3, 10), nn.ReLU(), dense=nn.Linear(10, 10)), "body"),
    (Tiny(conv(3, 4), dense=nn.Linear(4, 4)), "body"),
    (Tiny(conv(3, 8), nn.ReLU(), conv(8, 5, 1)), "body.0"),
    (Tiny(conv(3, 8), nn.ReLU(), conv(8, 5, 1), nn.ReLU()), "body.0"),
    (Tiny(conv(3, 5, 1)), "body"),  # nothing but its head: the places of the classes themselves
    (Tiny(conv(3, 5)), "body"),
]


@pytest.mark.parametrize(("net", "layer"), TINY, ids=range(len(TINY)))
def test_tiny_networks_have_a_default_layer(net: nn.Module, layer: str) -> None:
    assert found(net) == (layer,)
    assert heatlens.attribute(net, IMAGES, target=1).shape == (2, 64, 64)


def test_small_pictures_of_few_places() -> None:
    net = nn.Sequential(conv(1, 6), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(24, 3)).eval()
    images = torch.rand(2, 1, 8, 8)
    assert heatlens.load(net).default_layers(images) == ("0",)
    assert heatlens.attribute(net, images, target=1).shape == (2, 8, 8)


@pytest.mark.parametrize("end", [nn.Identity(), nn.Softmax(1), nn.Sigmoid()], ids=["scores", "softmax", "sigmoid"])
def test_a_head_of_convolutions_is_no_layer_to_look_at(end: nn.Module) -> None:
    net = nn.Sequential(Tiny(conv(3, 8), nn.ReLU(), conv(8, 5, 1)), end)
    assert found(net) == ("0.body.0",)


def test_squeezenet_keeps_its_features() -> None:
    assert found(models.squeezenet1_1(num_classes=7)) == ("features",)


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_files_without_a_head(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model, _ = torchvision_model("resnet18")
    model.fc = nn.Identity()
    path = tmp_path / "headless.onnx"
    torch.onnx.export(model, (IMAGES[:1],), path, dynamo=False)
    (layer,) = heatlens.load(str(path), runtime=runtime, size=64).default_layers(IMAGES[:1])
    assert layer.startswith("layer4/")
