"""transformers: every family's default layer, what processors and configurations declare, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import heatlens
from heatlens.models.libraries.transformers import families
from heatlens.words.errors import BadValue, ModelUnavailable
from helpers.networks import lively

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
STAGES = {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]}
SWIN = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int], str, tuple[int, int]]] = {
    # family -> configuration, size of the photos, the end of the default layer, size of its map
    "ViT": ({"image_size": 64, "patch_size": 16, **VIT}, (64, 64), "layers.1.layernorm_before", (4, 4)),
    "DeiT": ({"image_size": 64, "patch_size": 16, **VIT}, (64, 64), "layers.1.layernorm_before", (4, 4)),
    "Beit": ({"image_size": 64, "patch_size": 16, **VIT}, (64, 64), "layers.1", (4, 4)),
    "ViTMSN": ({"image_size": 64, "patch_size": 16, **VIT}, (64, 64), "layers.1.layernorm_before", (4, 4)),
    "Dinov2": ({"image_size": 56, "patch_size": 14, **VIT}, (56, 84), "dinov2", (4, 6)),
    "Dinov2WithRegisters": ({"image_size": 56, "patch_size": 14, **VIT}, (56, 84), "dinov2_with_registers", (4, 6)),
    "IJepa": ({"image_size": 64, "patch_size": 16, **VIT}, (64, 64), "ijepa", (4, 4)),
    "Swin": (SWIN, (64, 96), "swin.layernorm", (8, 12)),
    "Swinv2": (SWIN, (64, 96), "swinv2.layernorm", (8, 12)),
    "ConvNext": (STAGES, (64, 96), "convnext.encoder", (2, 3)),
    "ConvNextV2": (STAGES, (64, 96), "convnextv2.encoder", (2, 3)),
    "ResNet": ({"embedding_size": 8, **STAGES}, (64, 96), "resnet.encoder", (2, 3)),
    "RegNet": ({"embedding_size": 8, "groups_width": 8, **STAGES}, (64, 96), "regnet.encoder", (2, 3)),
    "Bit": (
        {"embedding_size": 8, "hidden_sizes": [16, 32, 64, 64], "depths": [1] * 4, "num_groups": 4},
        (64, 96),
        "bit.norm",
        (2, 3),
    ),
    "MobileNetV1": ({"depth_multiplier": 0.25}, (64, 96), "mobilenet_v1.layer.25", (2, 3)),
    "MobileNetV2": ({"depth_multiplier": 0.35}, (64, 96), "mobilenet_v2.conv_1x1", (2, 3)),
    "EfficientNet": (
        {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320},
        (64, 96),
        "efficientnet.encoder",
        (2, 3),
    ),
    "MobileViTV2": ({"image_size": 64}, (64, 64), "mobilevitv2.encoder", (2, 2)),
    "PoolFormer": (STAGES, (64, 96), "norm", (2, 3)),
    "PvtV2": ({"image_size": 64, **STAGES, "num_attention_heads": [1, 2, 2, 2]}, (64, 64), "pvt_v2", (2, 2)),
    "Segformer": ({**STAGES, "num_attention_heads": [1, 2, 2, 2]}, (64, 64), "segformer", (2, 2)),
    "FocalNet": ({"image_size": 64, "embed_dim": 16, "depths": [1] * 4}, (64, 96), "focalnet.layernorm", (2, 3)),
    "Levit": (
        {"image_size": 128, "hidden_sizes": [16, 32, 48], "num_attention_heads": [2] * 3, "depths": [1] * 3},
        (128, 128),
        "levit",
        (2, 2),
    ),
}


def built(family: str, size: tuple[int, int], **config: Any) -> tuple[Any, torch.Tensor]:
    """A classifier of seven classes with random weights, and two images for it."""
    torch.manual_seed(0)
    images = torch.rand(2, 3, *size)
    configured = getattr(transformers, f"{family}Config")(num_labels=7, **config)
    return lively(getattr(transformers, f"{family}ForImageClassification")(configured), images), images


@pytest.mark.parametrize("family", CASES)
def test_the_default_layer_its_grid_and_its_gradient(family: str) -> None:
    config, size, layer, grid = CASES[family]
    model, images = built(family, size, **config)
    subject = heatlens.load(model)
    (found,) = subject.default_layers(images)
    assert found.endswith(layer)
    maps = heatlens.attribute(subject, images, method="hires_cam", upsample=False)
    assert maps.shape == (2, *grid)
    assert bool(maps.flatten(1).any(1).all())


@pytest.mark.parametrize("family", ["ViT", "Swin", "ResNet"])
def test_the_map_is_what_the_library_s_own_hidden_states_and_autograd_give(family: str) -> None:
    config, size, _, _ = CASES[family]
    model, images = built(family, size, **config)
    outputs = model(images, output_hidden_states=True)
    if family == "ViT":  # the last hidden state goes through the last block; its first norm is what is looked at
        layer, said = "vit.layers.1.layernorm_before", None
        seen: list[torch.Tensor] = []
        handle = model.vit.layers[1].layernorm_before.register_forward_hook(lambda m, a, out: seen.append(out))
        logits = model(images).logits
        handle.remove()
        said = seen[0]
    else:
        layer = {"Swin": "swin.encoder", "ResNet": "resnet.encoder"}[family]
        logits, said = outputs.logits, outputs.hidden_states[-1]
    best = logits.argmax(1)
    slope = torch.autograd.grad(logits[[0, 1], best].sum(), said)[0]
    product = said * slope
    if family == "ResNet":
        expected = product.sum(1)
    else:
        prefix = 1 if family == "ViT" else 0
        expected = product[:, prefix:].sum(2).reshape(2, *CASES[family][3])
    found = heatlens.attribute(model, images, method="hires_cam", layers=layer, upsample=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert bool(expected.any())


def test_the_model_is_left_alone() -> None:
    model, images = built("ViT", (64, 64), **CASES["ViT"][0])
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    heatlens.attribute(model, images)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_inputs_by_name_and_as_a_processor_returns_them() -> None:
    model, images = built("ViT", (64, 64), **CASES["ViT"][0])
    expected = heatlens.attribute(model, images)
    torch.testing.assert_close(heatlens.attribute(model, pixel_values=images), expected)
    batch = transformers.BatchFeature({"pixel_values": images})
    torch.testing.assert_close(heatlens.attribute(model, batch), expected)
    torch.testing.assert_close(heatlens.attribute(model, **batch), expected)


# photos

PROCESSORS: dict[str, dict[str, Any]] = {
    "ViT": {"size": {"height": 64, "width": 64}},
    "ViT bicubic": {"size": {"height": 48, "width": 64}, "resample": 3, "image_mean": (0.4, 0.5, 0.6)},
    "DeiT": {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}},
    "CLIP": {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    "ConvNext": {"size": {"shortest_edge": 64}, "crop_pct": 0.8},
    "ConvNext large": {"size": {"shortest_edge": 384}},
    "PoolFormer": {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "crop_pct": 0.8},
    "Levit": {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
    "MobileNetV2": {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    "MobileViT": {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    "EfficientNet": {"size": {"height": 64, "width": 64}, "rescale_offset": True, "rescale_factor": 1 / 127.5},
    "Beit": {"size": {"height": 64, "width": 64}, "do_normalize": False},
}


@pytest.mark.parametrize("size", [(100, 150), (151, 100), (64, 64)])
@pytest.mark.parametrize("case", PROCESSORS)
def test_photos_are_prepared_as_the_processor_does_it(case: str, size: tuple[int, int]) -> None:
    kind = case.partition(" ")[0]
    processor = getattr(transformers, f"{kind}ImageProcessorPil")(**PROCESSORS[case])
    model, _ = built("ResNet", (64, 64), **CASES["ResNet"][0])
    smooth = np.random.default_rng(0).integers(0, 255, (7, 9, 3), np.uint8)
    photo = Image.fromarray(smooth).resize(size[::-1], Image.Resampling.BICUBIC)
    ours, _ = heatlens.load(model, processor=processor).prepare(heatlens.images.read_photo(photo))
    theirs = processor(photo, return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape
    level = 1 / 255 / min(ours.std(), 1.0) + 1.01 / 127.5 / 0.2  # a level of the pixels, in the model's units
    assert float((ours - theirs).abs().max()) < level
    assert float((ours - theirs).abs().mean()) < level / 10


def saved(folder: Path, **labels: Any) -> Any:
    """A small ViT with its processor in a folder, as its author would leave it."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(image_size=32, patch_size=8, **VIT, **labels)
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = {0: "cat", 1: "dog, hound", 2: "cup"}
    saved(tmp_path / "pets", id2label=names, label2id={name: i for i, name in names.items()})
    return tmp_path / "pets"


PHOTO = Image.fromarray(np.random.default_rng(1).integers(0, 255, (50, 70, 3), np.uint8))


def test_a_folder_is_a_subject(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}")
    assert subject.name == "transformers/pets"
    assert subject.assumed == ()
    assert subject.preprocessing.size == (32, 32)
    assert subject.preprocessing.mean == (0.5, 0.5, 0.5)
    assert subject.reading.patch == (8, 8)
    found = heatlens.explain(subject, PHOTO, target="hound")
    assert found.index == 1
    assert found.name == "dog, hound"
    with torch.no_grad():
        model = transformers.ViTForImageClassification.from_pretrained(folder)
        logits = model(subject.prepare(heatlens.images.read_photo(PHOTO))[0]).logits
    assert found.score == pytest.approx(float(logits[0, 1]), rel=1e-5)


def test_weights_none_and_from_a_file_and_arguments_of_the_configuration(folder: Path) -> None:
    published = heatlens.load(f"transformers/{folder}")
    fresh = heatlens.load(f"transformers/{folder}", weights="none", num_labels=5)
    assert fresh.model.classifier.out_features == 5
    assert not fresh.model.training
    file = folder / "model.safetensors"
    filled = heatlens.load(f"transformers/{folder}", weights=file)
    assert torch.equal(filled.model.classifier.weight, published.model.classifier.weight)


def test_labels_that_nobody_named_are_no_names(tmp_path: Path) -> None:
    saved(tmp_path / "plain", num_labels=4)
    assert len(heatlens.load(f"transformers/{tmp_path / 'plain'}").classes) == 0


def test_imagenet_labels_bring_their_synonyms(tmp_path: Path) -> None:
    names = {i: f"thing {i}" for i in range(1000)} | {0: "tench, Tinca tinca"}
    saved(tmp_path / "net", id2label=names, label2id={name: i for i, name in names.items()})
    assert heatlens.load(f"transformers/{tmp_path / 'net'}").classes.find("n02123045") == 281


def test_without_a_processor_the_size_is_the_configuration_s_and_that_is_said(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    subject = heatlens.load(f"transformers/{folder}")
    assert subject.assumed == ("preprocessing: 32x32, ImageNet mean and std",)


def test_a_module_finds_the_processor_where_it_was_loaded_from(folder: Path) -> None:
    model = transformers.ViTForImageClassification.from_pretrained(folder)
    assert heatlens.load(model).preprocessing.size == (32, 32)
    assert heatlens.load(torch.nn.DataParallel(model)).preprocessing.size == (32, 32)


def test_files_of_torch_are_read_and_files_that_run_code_are_refused(folder: Path) -> None:
    state = transformers.ViTForImageClassification.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    subject = heatlens.load(f"transformers/{folder}")
    assert torch.equal(subject.model.classifier.weight, state["classifier.weight"])
    torch.save({"classifier.weight": print}, folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="the weights of transformers/pets hold Python objects"):
        heatlens.load(f"transformers/{folder}")


def test_weights_of_another_architecture_are_refused_and_not_filled_with_noise(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}), "utf-8")
    with pytest.raises(ModelUnavailable, match=r"the weights of transformers/pets lack \d+ of ViTForImage"):
        heatlens.load(f"transformers/{folder}")


def test_code_beside_the_weights_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    changed = {**config, "model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(changed), "utf-8")
    (folder / "mine.py").write_text("raise SystemExit('it ran')", "utf-8")
    with pytest.raises((BadValue, ModelUnavailable)):
        heatlens.load(f"transformers/{folder}")


def test_a_model_of_texts_is_refused_by_name(tmp_path: Path) -> None:
    config = transformers.BertConfig(vocab_size=20, **VIT)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "texts")
    with pytest.raises(BadValue, match=r"texts is of the kind BertForSequenceClassification\. Expected an image class"):
        heatlens.load(f"transformers/{tmp_path / 'texts'}")


def test_without_a_network_one_line_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(url: str, **options: Any) -> None:
        raise ConnectionError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **options: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    with pytest.raises(ModelUnavailable, match=r"the weights of transformers/google/vit-x are not on this machine"):
        heatlens.load("transformers/google/vit-x")


def test_embeddings_without_a_head_are_explained_by_likeness(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = transformers.Dinov2Model(transformers.Dinov2Config(image_size=56, patch_size=14, **VIT)).eval()
    PHOTO.save(tmp_path / "other.png")
    subject = heatlens.load(model, size=56)
    found = heatlens.explain(subject, PHOTO, target=f"similar:{tmp_path / 'other.png'}")
    assert found.score == pytest.approx(1, abs=1e-4)
    assert found.name == "like other"
    assert subject.default_layers() == ("encoder.layer.1.norm1",)


def test_segmentation_is_explained_by_region() -> None:
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        num_labels=4, **STAGES, num_attention_heads=[1, 2, 2, 2], decoder_hidden_size=16
    )
    model, images = transformers.SegformerForSemanticSegmentation(config), torch.rand(2, 3, 64, 64)
    subject = heatlens.load(lively(model, images))
    maps = heatlens.attribute(subject, images, layers="segformer", method="hires_cam")
    assert maps.shape == (2, 64, 64)
    assert bool(maps.flatten(1).any(1).all())


def test_the_families_are_told() -> None:
    assert {"vit", "swinv2", "convnextv2", "dinov2_with_registers", "clip", "siglip"} <= set(families())
