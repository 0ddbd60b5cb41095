"""A layer that the score does not depend on: refused with the reason and the name of one that works."""

from typing import Any

import pytest
import torch
import transformers
from click.testing import CliRunner

import heatlens
from heatlens.cli import cli
from heatlens.models.reading.layers import list_layers
from heatlens.words.errors import LayerNotReached, LayoutUnclear, ScoreIndifferent
from helpers.networks import lively

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def distilled() -> Any:
    return heatlens.load("timm/deit_tiny_distilled_patch16_224", "none", img_size=64, depth=2, num_classes=7)


def of_transformers() -> Any:
    config = transformers.ViTConfig(image_size=64, patch_size=16, num_labels=7, **VIT)
    return heatlens.load(transformers.ViTForImageClassification(config).eval())


def of_mmpretrain() -> Any:
    small = {"backbone": {"arch": "deit-tiny", "img_size": 64}, "head": {"in_channels": 192}}
    return heatlens.load("mmpretrain/deit-tiny_4xb256_in1k", "none", **small)


def of_torchvision() -> Any:
    return heatlens.load("torchvision/vit_b_32", "none", image_size=64, num_classes=7)


def with_an_aside() -> Any:
    return heatlens.load("torchvision/fcn_resnet50", "none", aux_loss=True, num_classes=7)


DEAD = {
    "timm": (distilled, "blocks.1", "blocks.1.norm1"),
    "transformers": (of_transformers, "vit.layers.1", "vit.layers.1.layernorm_before"),
    "mmpretrain": (of_mmpretrain, "backbone.layers.11", "backbone.layers.11.ln1"),
    "torchvision": (of_torchvision, "encoder.layers.encoder_layer_11", "encoder.layers.encoder_layer_11.ln_1"),
    "a head at the side": (with_an_aside, "aux_classifier.0", "backbone.layer4"),
}
"""How it is made, a layer behind which no place reaches the score, and one to use instead."""


@pytest.mark.parametrize("name", DEAD)
def test_the_reason_and_a_better_layer_are_given(name: str) -> None:
    build, dead, better = DEAD[name]
    torch.manual_seed(0)
    subject, images = build(), torch.rand(2, 3, 64, 64)
    lively(subject.model, images)
    with pytest.raises(ScoreIndifferent) as refused:
        heatlens.attribute(subject, images, layers=dead)
    told = str(refused.value)
    assert told.startswith("the score of ")
    assert f"does not depend on the patches of layer '{dead}'" in told or f"does not depend on layer '{dead}'" in told
    assert told.endswith(f"Use '{better}'.")
    assert bool(heatlens.attribute(subject, images, layers=better, method="hires_cam").flatten(1).any(1).all())


def test_a_head_that_is_left_out_when_nobody_trains_is_said_to_be() -> None:
    subject = heatlens.load("torchvision/googlenet", "none", num_classes=7, init_weights=False, aux_logits=True)
    with pytest.raises(LayerNotReached, match=r"did not go through layer 'aux1\.conv'"):
        heatlens.attribute(subject, torch.rand(1, 3, 64, 64), layers="aux1.conv")


def test_an_untrained_head_of_zeros_is_named() -> None:
    subject = heatlens.load("torchvision/vit_b_32", "none", image_size=64)
    zeros = r"the weights 'heads\.head\.weight' of VisionTransformer are all zero.*Expected trained weights"
    with pytest.raises(LayoutUnclear, match=zeros):
        heatlens.attribute(subject, torch.rand(1, 3, 64, 64))
    told = CliRunner().invoke(cli, ["layers", "timm/mixer_s32_224", "--weights", "none", "--filter", "norm"])
    assert told.exit_code == 0
    assert "* " not in told.output
    assert told.output.endswith("no layer has places that still reach the score (untrained heads may be zero)\n")


@pytest.mark.parametrize(("said", "words"), [
    ({"prefix_tokens": 2}, "197 tokens do not show which grid they lie on; declared are prefix_tokens=2"),
    ({"prefix_tokens": 0}, "declared are prefix_tokens=0"),
    ({"grid": (15, 15)}, r"declared are prefix_tokens=1, grid=\(15, 15\)"),
])  # fmt: skip
def test_tokens_that_are_not_as_declared_move_no_layer(said: dict[str, Any], words: str) -> None:
    """The patch embedding, which has no prefix, would be left; a method at a layer that is named refuses as well."""
    subject = heatlens.load("timm/vit_tiny_patch16_224", "none", **said)
    with pytest.raises(LayoutUnclear, match=words):
        subject.default_layers()
    assert not any(layer.recommended for layer in list_layers(subject.model, (subject.blank(),), {}, subject.reading))
    with pytest.raises(LayoutUnclear):
        heatlens.attribute(subject, torch.rand(1, 3, 224, 224), target=1, layers="blocks.11.norm1")


def test_a_grid_of_other_proportions_is_a_persons_word() -> None:
    subject = heatlens.load("timm/vit_tiny_patch16_224", "none", grid=(7, 28))
    assert subject.default_layers() == ("blocks.11.norm1",)
