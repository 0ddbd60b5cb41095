"""CLIP and SigLIP: classes that are texts, likeness to texts and photos, beside the library's own numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import heatlens
from heatlens.cli import cli
from heatlens.targets import Similarity
from heatlens.words.errors import BadValue

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "cat", "dog", "the", "very", "small", ",", "striped"]
SIDES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = ["a photo of a cat", "a photo of a very small , striped dog"]
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8))


def tokenizer() -> Any:
    """Whole words, a beginning and an end, as CLIP's has them."""
    cut = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    cut.pre_tokenizer = pre_tokenizers.Whitespace()
    cut.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=cut,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=16,
    )


def built(family: str) -> tuple[Any, Any]:
    """A small model with random weights, and its processor."""
    torch.manual_seed(0)
    texts = {
        "vocab_size": len(WORDS), "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0
    }  # fmt: skip
    photos = {"image_size": 32, "patch_size": 8}
    if family == "CLIP":
        config: Any = transformers.CLIPConfig(
            text_config={**SIDES, **texts}, vision_config={**SIDES, **photos}, projection_dim=8
        )
        shown: Any = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    else:
        config = transformers.SiglipConfig(
            text_config={**SIDES, **texts, "projection_size": 16}, vision_config={**SIDES, **photos}
        )
        shown = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    model = getattr(transformers, f"{family}Model")(config).eval()
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        if family == "Siglip":
            model.logit_bias.fill_(-3.0)
    return model, getattr(transformers, f"{family}Processor")(shown, tokenizer())


@pytest.fixture(scope="session", params=["CLIP", "Siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp(request.param)
    model, processor = built(request.param)
    model.save_pretrained(where)
    processor.save_pretrained(where)
    return where


def theirs(folder: Path, subject: Any) -> Any:
    """What the library says of the same photo and the texts."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    padding = "max_length" if hasattr(model, "logit_bias") else True
    tokens = tokenizer()(TEXTS, padding=padding, return_tensors="pt")
    image = subject.prepare(heatlens.images.read_photo(PHOTO))[0]
    return model(pixel_values=image, **tokens)


def test_texts_are_classes(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}", classes=TEXTS)
    assert subject.classes.names == tuple(TEXTS)
    outputs = theirs(folder, subject)
    found = heatlens.explain(subject, PHOTO, target=[0, TEXTS[1], None])
    logits = outputs.logits_per_image[0].tolist()
    assert [found[0].score, found[1].score] == pytest.approx(logits, rel=1e-4)
    assert found[2].index == int(np.argmax(logits))
    assert found[2].predictions[0][0] == TEXTS[int(np.argmax(logits))]
    assert found[0].probability == pytest.approx(float(outputs.logits_per_image.softmax(1)[0, 0]), rel=1e-4)


def test_a_text_is_a_target_by_the_cosine_of_the_embeddings(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}")
    outputs = theirs(folder, subject)
    cosine = torch.nn.functional.cosine_similarity(outputs.image_embeds, outputs.text_embeds).tolist()
    found = heatlens.explain(subject, PHOTO, target=[TEXTS[0], f"similar:{TEXTS[1]}"])
    assert [e.score for e in found] == pytest.approx(cosine, rel=1e-4)
    assert [e.name for e in found] == TEXTS
    assert not np.allclose(found[0].raw, found[1].raw)


def test_the_map_is_the_library_s_own_gradient(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    image = subject.prepare(heatlens.images.read_photo(PHOTO))[0]
    seen: list[torch.Tensor] = []
    layer = model.vision_model.encoder.layers[1].layer_norm1
    handle = layer.register_forward_hook(lambda m, a, out: seen.append(out))
    tokens = tokenizer()(TEXTS[:1], padding="max_length" if hasattr(model, "logit_bias") else True, return_tensors="pt")
    outputs = model(pixel_values=image, **tokens)
    handle.remove()
    score = torch.nn.functional.cosine_similarity(outputs.image_embeds, outputs.text_embeds).sum()
    product = (seen[0] * torch.autograd.grad(score, seen[0])[0]).sum(2)
    expected = product[:, -16:].reshape(1, 4, 4)  # CLIP has a class token in front
    name = "model.vision_model.encoder.layers.1.layer_norm1"
    found = heatlens.attribute(subject, image, method="hires_cam", target=TEXTS[0], layers=name, upsample=False)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_the_default_layer_has_a_space_and_a_gradient(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}", classes=TEXTS)
    (layer,) = subject.default_layers()
    assert layer.startswith("model.vision_model.")
    maps = heatlens.attribute(subject, subject.blank(), method="hires_cam", upsample=False)
    assert maps.shape == (1, 4, 4)
    assert bool(maps.any())


def test_another_photo_is_a_target(folder: Path, tmp_path: Path) -> None:
    other = Image.fromarray(np.random.default_rng(5).integers(0, 255, (60, 60, 3), np.uint8))
    other.save(tmp_path / "other.png")
    subject = heatlens.load(f"transformers/{folder}")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    embeds = [
        model.get_image_features(pixel_values=subject.prepare(heatlens.images.read_photo(photo))[0]).pooler_output
        for photo in (PHOTO, other)
    ]
    found = heatlens.explain(subject, PHOTO, target=f"similar:{tmp_path / 'other.png'}")
    assert found.score == pytest.approx(float(torch.nn.functional.cosine_similarity(*embeds)), rel=1e-4)


def test_methods_that_score_by_probability_score_by_the_cosine(folder: Path) -> None:
    subject = heatlens.load(f"transformers/{folder}")
    settings = {"samples": 8, "cells": 2, "seed": 1}
    by_probability = heatlens.explain(subject, PHOTO, target=TEXTS[0], method="rise", settings=settings)
    by_logit = heatlens.explain(subject, PHOTO, target=TEXTS[0], method="rise", settings={**settings, "score": "logit"})
    np.testing.assert_array_equal(by_probability.raw, by_logit.raw)


def test_nothing_to_compare_with_is_said(folder: Path) -> None:
    with pytest.raises(BadValue, match="nothing to compare with"):
        heatlens.explain(heatlens.load(f"transformers/{folder}"), PHOTO)


def test_a_module_with_its_processor_needs_no_folder() -> None:
    model, processor = built("CLIP")
    subject = heatlens.load(model, processor=processor, classes=TEXTS)
    assert subject.model.model is model
    assert heatlens.explain(subject, PHOTO).name in TEXTS
    with pytest.raises(BadValue, match="no tokenizer"):
        heatlens.load(model, classes=TEXTS)


def test_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.png")
    words = [
        "explain",
        str(tmp_path / "photo.png"),
        "--model",
        f"transformers/{folder}",
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(cli, [*words, "--target", "a photo of a cat"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "explanations.json").is_file()


def test_a_similarity_prints_and_compares() -> None:
    one = Similarity((1.0, 2.0), "a cat")
    assert one == Similarity((1.0, 2.0), "a cat")
    assert repr(one) == "Similarity('a cat', 2 numbers)"
    assert str(one) == "a cat"
