"""Numbers that a model estimates, and likeness."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import heatlens
from heatlens.targets import Classes, Similarity, Value, embedding, parse_target
from heatlens.words.errors import BadValue, UnknownName

OUT = torch.tensor([[2.0, -1.0], [0.5, 4.0]])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Value(), [2.0, 0.5]),
        (Value(1), [-1.0, 4.0]),
        (Value(1, "down"), [1.0, -4.0]),
        (Value(0, near=1.5), [-0.5, -1.0]),
    ],
)
def test_up_down_and_near(target: Value, expected: list[float]) -> None:
    assert target(OUT).tolist() == expected
    assert target.settle(OUT) is target
    assert target.as_probability() is target


def test_outputs_of_every_form() -> None:
    assert Value()(torch.tensor([3.0, 4.0])).tolist() == [3, 4]
    assert Value()({"logits": OUT}).tolist() == [2, 0.5]
    depth = torch.arange(16.0).reshape(2, 1, 2, 4)
    assert Value()(depth).tolist() == [3.5, 11.5]  # a picture of numbers: its mean
    with pytest.raises(BadValue, match="no class 2"):
        Value(2)(OUT)


def test_as_people_write_it() -> None:
    find = Classes(("age", "height")).find
    assert parse_target("value:", find) == Value()
    assert parse_target("value:1,toward=down", find) == Value(1, "down")
    assert parse_target("value:height,near=1.8", find) == Value(1, near=1.8)
    assert Value(1).text(("age", "height").__getitem__) == "height up"
    assert str(Value(1, near=1.8)) == "output 1 near 1.8"
    with pytest.raises(UnknownName, match="value has no setting 'up'"):
        parse_target("value:1,up=yes", find)
    with pytest.raises(BadValue, match="toward='left'"):
        parse_target("value:1,toward=left", find)


class Estimates(nn.Module):
    """Two numbers for a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).relu().mean((2, 3)))


def network() -> tuple[Estimates, torch.Tensor]:
    torch.manual_seed(0)
    return Estimates().eval(), torch.randn(2, 3, 5, 6)


def test_what_raises_a_number_lowers_it_the_other_way_round() -> None:
    model, images = network()
    body = model.body(images)
    score = model.head(body.relu().mean((2, 3)))[:, 1].sum()
    expected = (body * torch.autograd.grad(score, body)[0]).sum(1)
    one: dict[str, Any] = {"method": "hires_cam", "layers": "body", "upsample": False}
    torch.testing.assert_close(heatlens.attribute(model, images, target="value:1", **one), expected)
    torch.testing.assert_close(heatlens.attribute(model, images, target="value:1,toward=down", **one), -expected)
    far = heatlens.attribute(model, images, target="value:1,near=99", **one)
    torch.testing.assert_close(far, expected)  # what raises it brings it nearer to 99


@pytest.mark.parametrize("method", ["score_cam", "rise", "ablation_cam", "recipro_cam"])
def test_methods_that_score_by_probability_score_by_the_number(method: str) -> None:
    model, images = network()
    settings: dict[str, Any] = {"samples": 8, "cells": 2} if method == "rise" else {}
    ask = {"method": method, "layers": "body", "target": "value:1"}
    maps = heatlens.attribute(model, images, settings=settings, **ask)
    if method in ("score_cam", "rise"):
        by_logit = heatlens.attribute(model, images, settings={**settings, "score": "logit"}, **ask)
        torch.testing.assert_close(maps, by_logit)
    assert maps.shape == (2, 5, 6)


def test_a_photo_is_explained_in_the_words_of_the_number() -> None:
    model, _ = network()
    subject = heatlens.load(model, size=32, mean=0.5, std=0.5, classes=["age", "height"])
    photo = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    found = heatlens.explain(subject, photo, target="value:age")
    assert (found.name, found.index, found.probability) == ("age up", None, None)


# likeness


def test_the_cosine_by_hand() -> None:
    target = Similarity((3.0, 4.0), "it")
    expected = [(2 * 3 - 1 * 4) / (5**0.5 * 5), (0.5 * 3 + 4 * 4) / (16.25**0.5 * 5)]
    assert target(OUT).tolist() == pytest.approx(expected)
    assert Similarity((3.0, 4.0))(torch.zeros(1, 2)).tolist() == [0]


@pytest.mark.parametrize(
    "outputs",
    [
        {"image_embeds": OUT, "logits": torch.zeros(2, 5)},
        {"pooler_output": OUT, "last_hidden_state": torch.zeros(2, 7, 2)},
        OUT[:, :, None, None].expand(2, 2, 3, 3),
    ],
)
def test_embeddings_are_found(outputs: Any) -> None:
    if isinstance(outputs, dict) and "last_hidden_state" in outputs:
        outputs = {"last_hidden_state": outputs["last_hidden_state"], "pooler_output": OUT}
    torch.testing.assert_close(embedding(outputs), OUT)


def test_what_is_no_embedding_is_said() -> None:
    with pytest.raises(BadValue, match=r"outputs of shape \(2, 7, 2\) are no embeddings"):
        embedding(torch.zeros(2, 7, 2))
    with pytest.raises(BadValue, match="a reference of 3 numbers for embeddings of 2"):
        Similarity((1.0, 2.0, 3.0))(OUT)
    with pytest.raises(BadValue, match="nothing to compare with"):
        Similarity().settle(OUT)
    with pytest.raises(BadValue, match="the file of a photo, or a text and a model that reads"):
        parse_target("similar:nothing.jpg", Classes().find)


def test_a_network_without_a_head_is_explained_by_likeness(tmp_path: Any) -> None:
    timm = pytest.importorskip("timm")
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    Image.fromarray(pixels[1]).save(tmp_path / "other.png")
    torch.manual_seed(0)
    subject = heatlens.load(timm.create_model("resnet10t", num_classes=0), size=64)
    with torch.no_grad():
        one, other = (subject.model.eval()(subject.prepare(heatlens.images.read_photo(p))[0]) for p in pixels)
    expected = float(torch.nn.functional.cosine_similarity(one, other))
    found = heatlens.explain(subject, pixels[0], target=f"similar:{tmp_path / 'other.png'}")
    assert found.score == pytest.approx(expected, rel=1e-4)
    assert found.name == "like other"
    assert found.recipe.layers == ("layer4",)
    with pytest.raises(BadValue, match="nothing to compare with"):
        heatlens.explain(subject, pixels[0])
