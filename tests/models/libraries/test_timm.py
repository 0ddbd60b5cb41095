"""timm: what models declare, on square and oblong photos, channels first and last."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.models.libraries import timm as adapter
from heatlens.words.errors import BadValue, ModelUnavailable, UnknownName
from helpers.networks import lively

SMALL: dict[str, Any] = {"num_classes": 7}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int], str, tuple[int, ...]]] = {
    # name -> arguments, size of the photos, default layer, size of its map (photo / stride)
    "resnet10t": ({}, (64, 96), "layer4", (2, 3)),
    "mobilenetv3_small_050": ({}, (64, 96), "blocks", (2, 3)),  # conv_head comes after the pooling
    "convnext_atto": ({}, (64, 96), "stages", (2, 3)),
    "vit_tiny_patch16_224": ({"img_size": (64, 96)}, (64, 96), "blocks.11.norm1", (4, 6)),
    "deit_tiny_distilled_patch16_224": ({"img_size": 64}, (64, 64), "blocks.11.norm1", (4, 4)),
    "vit_small_patch14_reg4_dinov2": ({"img_size": (42, 70), "depth": 4}, (42, 70), "blocks.3.norm1", (3, 5)),
    "swin_tiny_patch4_window7_224": ({"img_size": (64, 96), "window_size": 2}, (64, 96), "norm", (2, 3)),
    "mixer_s32_224": ({"img_size": 64}, (64, 64), "norm", (2, 2)),
    "beit_base_patch16_224": ({"img_size": 64, "depth": 2}, (64, 64), "blocks.1", (4, 4)),
    "eva02_tiny_patch14_224": ({"img_size": 56, "depth": 2}, (56, 56), "blocks.1", (4, 4)),
    "vit_small_patch16_dinov3": ({"depth": 2}, (64, 96), "norm", (4, 6)),  # five prefix tokens; the mean of the rest
    "vit_medium_patch16_reg4_gap_256": ({"img_size": 64, "depth": 2}, (64, 64), "blocks", (4, 4)),
    "swinv2_tiny_window8_256": ({"img_size": (64, 96), "window_size": 2}, (64, 96), "norm", (2, 3)),
    "maxvit_rmlp_pico_rw_256": ({}, (256, 256), "norm", (8, 8)),
    "xcit_nano_12_p8_224": ({"img_size": 64, "depth": 2}, (64, 96), "cls_attn_blocks.1.norm1", (8, 12)),
    "vit_tiny_r_s16_p8_224": ({"img_size": 64, "depth": 2}, (64, 64), "blocks.1.norm1", (2, 2)),
    "pit_ti_224": ({}, (224, 224), "transformers.2.blocks.3.norm1", (7, 7)),  # its blocks return tokens and classes
    "coat_tiny": ({}, (224, 224), "parallel_blocks.5.norm14", (7, 7)),  # four dimensions that are heads x tokens
    "hiera_tiny_224": ({}, (224, 224), "blocks.11", (7, 7)),
    "cait_xxs24_224": ({"img_size": 64, "depth": 3}, (64, 64), "blocks_token_only.1.norm1", (4, 4)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_default_layer_its_grid_and_its_gradient(name: str) -> None:
    arguments, size, layer, grid = CASES[name]
    torch.manual_seed(0)
    images = torch.rand(2, 3, *size)
    subject = heatlens.load(f"timm/{name}", weights="none", **SMALL, **arguments)
    lively(subject.model, images)
    assert subject.default_layers(images) == (layer,)
    maps = heatlens.attribute(subject, images, method="hires_cam", upsample=False)
    assert maps.shape == (2, *grid)
    assert bool(maps.flatten(1).any(1).all())


def test_an_oblong_network_explains_an_oblong_photo() -> None:
    subject = heatlens.load("timm/vit_tiny_patch16_224", weights="none", **SMALL, img_size=(64, 96), depth=2)
    assert subject.preprocessing.size == (64, 96)
    lively(subject.model, torch.rand(1, 3, 64, 96))
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 120, 3), np.uint8))
    found = heatlens.explain(subject, photo, method="hires_cam")
    assert found.raw.shape == (4, 6)
    assert found.map.shape == (50, 120)


def test_arguments_reach_the_constructor() -> None:
    same = heatlens.load("timm/mobilenetv2_050", weights="none", pad_type="same", **SMALL)
    assert type(same.model.conv_stem).__name__ == "Conv2dSame"
    assert type(heatlens.load("timm/mobilenetv2_050", weights="none", **SMALL).model.conv_stem).__name__ == "Conv2d"


def test_a_timm_module_is_recognised() -> None:
    import timm

    module = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=1000)
    subject = heatlens.load(module)
    assert subject.model is module
    assert subject.reading.prefix_tokens == 1
    assert subject.reading.patch == (16, 16)
    assert subject.preprocessing.mean == (0.5, 0.5, 0.5)
    assert subject.classes.name(281) == "tabby"
    assert subject.assumed == ()


def test_bare_names_find_torchvision_first_and_timm_with_a_tag() -> None:
    assert heatlens.load("squeezenet1_1", weights="none").name == "torchvision/squeezenet1_1"
    assert heatlens.load("resnet10t.c3_in1k", weights="none").name == "timm/resnet10t.c3_in1k"


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("timm/vit_tinny_patch16_224", {"weights": "none"}, UnknownName, "Close: vit_tiny_patch16_224"),
        ("timm/resnet18.b9_in1k", {}, UnknownName, "timm/resnet18 has no weights 'b9_in1k'. Close: "),
        ("timm/resnet10t", {"weights": "none", "colour": 1}, BadValue, "timm/resnet10t cannot be built with colour=1"),
        ("timm/resnet10t", {"weights": "gone.pt"}, ModelUnavailable, "no weights file 'gone.pt'"),
        ("nosuch", {}, UnknownName, 'Expected names look like "torchvision/resnet50"'),
        ("nolibrary/resnet18", {}, UnknownName, "All names: heatlens models"),
        ("", {}, UnknownName, "heatlens models"),
    ],
)
def test_what_does_not_exist_is_said(name: str, options: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error) as refused:
        heatlens.load(name, **options)
    assert words in str(refused.value)


def test_without_a_network_one_line_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def refuse(url: str, **options: Any) -> None:
        asked.append(url)
        raise ConnectionError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **options: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    with pytest.raises(ModelUnavailable) as refused:
        heatlens.load("timm/resnet10t")
    assert str(refused.value) == (
        "the weights of timm/resnet10t are not on this machine and could not be downloaded "
        "([Errno -2] Name or service not known). Expected a network connection, or the file. "
        'Give weights=FILE, or weights="none" for random weights.'
    )
    assert len(asked) == 1


def test_names_of_the_hub_ask_for_their_repository_and_answer_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    import timm

    asked, made = [], []

    def cached(repository: str, file: str) -> str | None:
        asked.append((repository, file))
        return "/somewhere" if file == "pytorch_model.bin" else None

    def create(name: str, pretrained: bool = False, **arguments: Any) -> Any:
        made.append((name, pretrained))
        return create_model("resnet10t", num_classes=7)

    create_model = timm.create_model
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    monkeypatch.setattr(timm, "create_model", create)
    subject = heatlens.load("hf_hub:someone/net@v2")
    assert subject.name == "hf_hub:someone/net@v2"
    assert asked == [("someone/net", "model.safetensors"), ("someone/net", "pytorch_model.bin")]
    assert made == [("hf_hub:someone/net@v2", True)]


def test_a_local_checkpoint_fills_the_network(tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    source = timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=7)
    save_file(source.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "net.pth")
    for file in ("net.safetensors", "net.pth"):
        filled = heatlens.load("timm/vit_tiny_patch16_224", weights=tmp_path / file, depth=1, **SMALL)
        assert torch.equal(filled.model.blocks[0].attn.qkv.weight, source.blocks[0].attn.qkv.weight)


def test_a_failing_download_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def refuse(*args: Any, **options: Any) -> None:
        raise OSError("No space left on device\nwhile writing")

    monkeypatch.setattr(adapter, "_check_published", lambda *args: None)
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ModelUnavailable, match=r"\(No space left on device\)\. Expected a network"):
        heatlens.load("timm/resnet10t")


def test_an_architecture_without_published_weights_says_so() -> None:
    import timm

    with_weights = set(timm.list_pretrained())
    bare = {name.partition(".")[0] for name in with_weights}
    name = next(name for name in timm.list_models() if name not in bare)
    with pytest.raises(ModelUnavailable, match=f"nobody has published weights for timm/{name}"):
        heatlens.load(f"timm/{name}")


def test_channels_of_layers_go_to_the_constructor_and_those_of_photos_do_not() -> None:
    narrow = heatlens.load("timm/resnet18", "none", channels=(4, 4, 8, 8), num_classes=3)
    assert narrow.model.layer1[0].conv1.weight.shape == (4, 64, 3, 3)
    assert narrow.preprocessing.channels == "RGB"
    assert heatlens.load("timm/resnet10t", "none", channels="BGR").preprocessing.channels == "BGR"
