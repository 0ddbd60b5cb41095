"""One detection: which is meant, how it is found again, what it is worth when it vanished."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.targets import Box, Classes, Negative, parse_target
from heatlens.targets.detections import overlaps
from heatlens.words.errors import BadValue

BOXES = [[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [1.0, 0.0, 11.0, 10.0], [5.0, 5.0, 25.0, 25.0]]


def seen(scores: list[float], labels: list[int], boxes: list[list[float]] = BOXES) -> list[dict[str, Tensor]]:
    return [{"boxes": torch.tensor(boxes), "labels": torch.tensor(labels), "scores": torch.tensor(scores)}]


OUT = seen([0.9, 0.8, 0.7, 0.2], [3, 5, 3, 5])


@pytest.mark.parametrize(
    ("target", "label", "box"),
    [
        (Box(), 3, BOXES[0]),
        (Box(rank=1), 5, BOXES[1]),
        (Box(5), 5, BOXES[1]),
        (Box(5, rank=1), 5, BOXES[3]),
        (Box(3, rank=1), 3, BOXES[2]),
        (Box(box=(19.0, 0.0, 30.0, 10.0)), 5, BOXES[1]),
    ],
)
def test_which_detection_is_meant(target: Box, label: int, box: list[float]) -> None:
    settled = target.settle(OUT)
    assert (settled.index, settled.box) == (label, tuple(box))
    assert settled.settle(seen([0.1], [1], BOXES[:1])) is settled


def test_it_is_found_again_by_class_and_overlap() -> None:
    target = Box(3).settle(OUT)
    near = [[40.0, 0.0, 50.0, 10.0], [0.0, 0.0, 10.0, 9.0], [0.0, 0.0, 10.0, 7.0], [0.0, 0.0, 10.0, 10.0]]
    assert float(target(seen([0.9, 0.4, 0.6, 0.8], [3, 3, 3, 5], near))) == pytest.approx(0.4)  # IoU 0.9, 0.7
    assert float(target(seen([0.9, 0.6], [3, 3], [near[0], [0.0, 0.0, 10.0, 4.0]]))) == 0  # IoU 0.4: it vanished
    assert float(target(seen([0.6], [3], [[0.0, 0.0, 10.0, 4.0]]))) == 0
    assert float(Box(3, overlap=0.3).settle(OUT)(seen([0.6], [3], [[0.0, 0.0, 10.0, 4.0]]))) == pytest.approx(0.6)
    nothing = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "scores": torch.zeros(0)}]
    assert float(target(nothing)) == 0


def test_the_sides_of_its_box() -> None:
    moved = seen([0.5], [3], [[1.0, 2.0, 10.0, 11.0]])
    for side, value in {"left": 1.0, "top": 2.0, "right": 10.0, "bottom": 11.0}.items():
        target = Box(3, of=side).settle(OUT)  # type: ignore[arg-type]
        assert float(target(moved)) == value
    assert Box(3, of="left").settle(OUT).text(str) == "left of box of 3"


def test_overlaps_are_torchvision_s() -> None:
    from torchvision.ops import box_iou

    torch.manual_seed(0)
    corners = torch.rand(20, 2) * 10
    boxes = torch.cat([corners, corners + torch.rand(20, 2) * 8], 1)
    expected = box_iou(boxes, boxes[:1])[:, 0]
    torch.testing.assert_close(overlaps(boxes, tuple(boxes[0].tolist())), expected)
    flat = torch.tensor([[1.0, 2.0, 1.0, 9.0]])
    assert overlaps(flat, (1.0, 2.0, 1.0, 9.0)).tolist() == [1]  # a box without an area is itself


@pytest.mark.parametrize(
    ("target", "outputs", "words"),
    [
        (Box(4), OUT, r"no detection #1 of class 4 in this image\. Expected one of the classes 3, 5"),
        (Box(3, rank=5), OUT, r"no detection #6 of class 3 in this image\. Expected #1 to #2"),
        (Box(), seen([], [], []), "Expected a photo with a detection"),
        (Box(), torch.rand(1, 3), "Expected a list with one dict of boxes, labels and scores per image"),
    ],
)
def test_what_cannot_be_is_said(target: Box, outputs: Any, words: str) -> None:
    if isinstance(outputs, list) and not len(outputs[0]["scores"]):
        outputs[0]["boxes"] = outputs[0]["boxes"].reshape(0, 4)
    with pytest.raises(BadValue, match=words):
        target.settle(outputs)


def test_as_people_write_it() -> None:
    find = Classes(("background", "cat", "dog")).find
    assert parse_target("box:dog", find) == Box(2)
    assert parse_target("box:dog#2", find) == Box(2, rank=1)
    assert parse_target("box:#3", find) == Box(rank=2)
    assert parse_target("box:", find) == Box()
    assert parse_target("box:dog,of=left,overlap=0.7", find) == Box(2, of="left", overlap=0.7)
    assert parse_target("dog", find, Box()) == Box(2)
    assert parse_target(1, find, Box()) == Box(1)
    assert parse_target("negative:dog", find, Box()) == Negative(Box(2))
    assert str(Box()) == "prediction #1"
    assert str(Box(2)) == "box of class 2"


class Detector(nn.Module):
    """Two fixed boxes on two halves of a picture; the score of each is a mean over its half, under a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.weights = nn.Parameter(torch.randn(2, 4))

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        stack = self.body(images).relu()
        halves = torch.stack([stack[..., :4].mean((2, 3)), stack[..., 4:].mean((2, 3))], 1)
        scores = (halves * self.weights).sum(2).sigmoid()
        boxes = torch.tensor([[0.0, 0.0, 4.0, 6.0], [4.0, 0.0, 8.0, 6.0]])
        return [{"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": one} for one in scores]


def network() -> tuple[Detector, Tensor]:
    torch.manual_seed(1)
    return Detector().eval(), torch.randn(2, 3, 6, 8)


def test_the_map_of_a_detection_is_the_gradient_of_its_score_and_lies_on_it() -> None:
    model, images = network()
    body = model.body(images)
    half = body.relu()[..., 4:].mean((2, 3))
    score = (half * model.weights[1]).sum(1).sigmoid().sum()
    expected = (body * torch.autograd.grad(score, body)[0]).sum(1)
    found = heatlens.attribute(model, images, method="hires_cam", layers="body", target="box:2", upsample=False)
    torch.testing.assert_close(found, expected)
    assert not bool(found[..., :4].any())
    assert bool(found[..., 4:].any())


def test_every_image_has_a_detection_of_its_own() -> None:
    model, images = network()
    mixed = heatlens.attribute(model, images, method="hires_cam", layers="body", target=["box:1", "box:2"])
    for n, kind in enumerate(["box:1", "box:2"]):
        alone = heatlens.attribute(model, images[n : n + 1], method="hires_cam", layers="body", target=kind)
        torch.testing.assert_close(mixed[n : n + 1], alone)


@pytest.mark.parametrize("method", ["ablation_cam", "recipro_cam", "score_cam", "rise", "odam", "lift_cam"])
def test_replays_and_changed_pictures_ask_for_the_same_detection(method: str) -> None:
    model, images = network()
    settings = {"samples": 8, "cells": 2} if method == "rise" else {}
    maps = heatlens.attribute(model, images, method=method, layers="body", target="box:2", settings=settings)
    assert maps.shape == (2, 6, 8)
    alone = heatlens.attribute(model, images[1:], method=method, layers="body", target="box:2", settings=settings)
    torch.testing.assert_close(maps[1:], alone, rtol=1e-4, atol=1e-6)


def test_a_picture_without_the_detection_is_worth_nothing() -> None:
    model, images = network()
    pictures = {"samples": 6, "cells": 2, "seed": 2}
    one = heatlens.attribute(model, images, method="rise", layers="body", target="box:2", settings=pictures)
    logit = heatlens.attribute(
        model, images, method="rise", layers="body", target="box:2", settings={**pictures, "score": "logit"}
    )
    torch.testing.assert_close(one, logit)  # a detection's score is a probability


def test_classes_alone_and_averages_that_move_things_are_refused() -> None:
    model, images = network()
    with pytest.raises(BadValue, match="Write box:CLASS"):
        heatlens.attribute(model, images, layers="body", target=1)
    with pytest.raises(BadValue, match="the average flips for box of class 2"):
        heatlens.attribute(model, images, layers="body", target="box:2", average="flips")
