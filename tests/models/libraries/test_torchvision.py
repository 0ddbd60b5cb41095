"""torchvision: every classification family, its default layer, its weights."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as library

import heatlens
from heatlens.models.libraries.torchvision import names
from heatlens.words.errors import BadValue, ModelUnavailable, UnknownName
from helpers.networks import lively

DEFAULT_LAYER = {
    "alexnet": "features",
    "convnext_tiny": "features",
    "densenet121": "features",
    "efficientnet_b0": "features",
    "googlenet": "inception5b",
    "inception_v3": "Mixed_7c",
    "maxvit_t": "blocks.3",
    "mnasnet0_5": "layers",
    "mobilenet_v2": "features",
    "mobilenet_v3_small": "features",
    "regnet_y_400mf": "trunk_output",
    "resnet18": "layer4",
    "shufflenet_v2_x0_5": "conv5",
    "squeezenet1_1": "features",
    "swin_t": "norm",
    "swin_v2_t": "norm",
    "vgg11": "features",
    "vgg11_bn": "features",
    "vit_b_32": "encoder.layers.encoder_layer_11.ln_1",
}
SIZE = {"alexnet": 128, "inception_v3": 112, "maxvit_t": 224, "swin_t": 64, "swin_v2_t": 64}


@pytest.mark.parametrize(("name", "layer"), DEFAULT_LAYER.items())
def test_the_default_layer_has_a_space_and_a_gradient(name: str, layer: str) -> None:
    torch.manual_seed(0)
    size = SIZE.get(name, 64)
    arguments = {"image_size": 96} if name == "vit_b_32" else {}
    images = torch.rand(1, 3, *((96, 96) if name == "vit_b_32" else (size, size)))
    subject = heatlens.load(f"torchvision/{name}", weights="none", num_classes=7, **arguments)
    lively(subject.model, images)
    assert subject.default_layers(images) == (layer,)
    maps = heatlens.attribute(subject, images, method="hires_cam", upsample=False)
    assert maps.shape[0] == 1
    assert maps[0].numel() > 1
    assert bool(maps.flatten(1).any(1).all())


def test_every_family_of_the_library_is_in_the_table() -> None:
    def family(name: str) -> str:
        builder = library.get_model_builder(name)
        return str(builder.__module__)

    classifiers = library.list_models(module=library)
    assert {family(name) for name in classifiers} == {family(name) for name in DEFAULT_LAYER}


def test_networks_of_every_task_but_flow_are_listed() -> None:
    assert names()[: len(library.list_models(module=library))] == library.list_models(module=library)
    assert {"deeplabv3_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18"} <= set(names())
    assert not {"raft_small", "quantized_resnet18"} & set(names())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("weights", [None, "IMAGENET1K_V1", "DEFAULT", "ResNet18_Weights.IMAGENET1K_V1"])
def test_without_a_network_one_line_says_what_to_do(weights: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelUnavailable) as refused:
        heatlens.load("torchvision/resnet18", weights=weights)
    assert str(refused.value) == (
        "the weights of torchvision/resnet18 are not on this machine and could not be downloaded "
        "(Name or service not known). Expected a network connection, or the file. "
        'Give weights=FILE, or weights="none" for random weights.'
    )
    assert capfd.readouterr() == ("", "")


def published(name: str, entry: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, torch.Tensor]:
    """A stand-in for the file that torchvision would download, and its tensors."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(1)
    state = library.get_model(name, weights=None).state_dict()
    file = tmp_path / "hub" / "checkpoints" / entry.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    return dict(state)


@pytest.mark.parametrize(
    "weights",
    [
        None,
        "IMAGENET1K_V1",
        "DEFAULT",
        "ShuffleNet_V2_X0_5_Weights.DEFAULT",
        library.ShuffleNet_V2_X0_5_Weights.DEFAULT,
    ],
)
def test_enum_weights_in_all_spellings(weights: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = library.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    state = published("shufflenet_v2_x0_5", entry, monkeypatch, tmp_path)
    subject = heatlens.load("torchvision/shufflenet_v2_x0_5", weights=weights)
    assert torch.equal(subject.model.state_dict()["fc.weight"], state["fc.weight"])
    assert subject.classes.names == tuple(entry.meta["categories"])
    assert subject.classes.find("n02123045") == 281
    assert subject.classes.find("tabby cat") == 281
    assert subject.assumed == ()


def test_other_classes_than_the_weights_have_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    published("shufflenet_v2_x0_5", library.ShuffleNet_V2_X0_5_Weights.DEFAULT, monkeypatch, tmp_path)
    with pytest.raises(BadValue, match="cannot be built with num_classes=5: The parameter 'num_classes'"):
        heatlens.load("torchvision/shufflenet_v2_x0_5", num_classes=5)


def test_a_download_that_runs_code_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / library.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save({"state_dict": print}, file)
    with pytest.raises(ModelUnavailable, match="holds Python objects"):
        heatlens.load("torchvision/resnet18")


def test_random_weights_keep_what_the_default_weights_declare_unless_the_classes_differ() -> None:
    assert heatlens.load("torchvision/squeezenet1_1", weights="none").classes.name(281) == "tabby"
    assert len(heatlens.load("torchvision/squeezenet1_1", weights="none", num_classes=5).classes) == 0


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@pytest.mark.parametrize("heads", [True, False])
def test_networks_with_auxiliary_heads_load_with_and_without_them(name: str, heads: bool, tmp_path: Path) -> None:
    source = library.get_model(name, weights=None, num_classes=3, init_weights=False, aux_logits=heads)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    subject = heatlens.load(f"torchvision/{name}", weights=tmp_path / "weights.safetensors", num_classes=3)
    assert torch.equal(subject.model.fc.weight, source.fc.weight)
    assert subject.model.transform_input is True  # as torchvision builds it for its published weights


def test_densenets_of_before_2018_load(tmp_path: Path) -> None:
    source = library.densenet121(num_classes=3)
    old = {k.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): v for k, v in source.state_dict().items()}
    assert old.keys() != source.state_dict().keys()
    torch.save(old, tmp_path / "old.pth")
    subject = heatlens.load("torchvision/densenet121", weights=tmp_path / "old.pth", num_classes=3)
    key = "features.denseblock1.denselayer2.conv2.weight"
    assert torch.equal(subject.model.state_dict()[key], source.state_dict()[key])


def test_a_transformer_built_for_another_size_gets_photos_of_that_size() -> None:
    subject = heatlens.load("torchvision/vit_b_32", weights="none", num_classes=3, image_size=96)
    assert subject.preprocessing.size == (96, 96)
    assert subject.preprocessing.before_cut == (110, 110)  # 256 * 96 / 224


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        (
            "torchvision/resnet81",
            {"weights": "none"},
            UnknownName,
            "No torchvision model is called 'resnet81'. Close: ",
        ),
        ("torchvision/resnet18", {"weights": "IMAGENET1K_V7"}, UnknownName, "Close: IMAGENET1K_V1"),
        ("torchvision/resnet18", {"weights": "nothing"}, UnknownName, "torchvision/resnet18 has no weights 'nothing'"),
        ("torchvision/resnet18", {"weights": "none", "colour": 1}, BadValue, "cannot be built with colour=1"),
        (
            "torchvision/resnet18",
            {"weights": "gone.safetensors"},
            ModelUnavailable,
            "no weights file 'gone.safetensors'",
        ),
    ],
)
def test_what_does_not_exist_is_said(name: str, options: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error) as refused:
        heatlens.load(name, **options)
    assert words in str(refused.value)
