"""Boxes, points and masks of an explanation are in pixels of the photo, where the model saw it."""

from typing import Any

import numpy as np
import pytest
import torch

import heatlens
from heatlens.images import Preprocessing
from heatlens.localize import Finding
from heatlens.models import Subject
from heatlens.targets import Classes


class Bright(torch.nn.Module):
    """Scores brightness: its Grad-CAM is where the photo is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.say = torch.nn.Conv2d(3, 1, 1, bias=False)
        torch.nn.init.ones_(self.say.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = self.say(x).mean((2, 3))
        return torch.cat([bright, -bright], 1)


def explained(pixels: np.ndarray, **shown: Any) -> heatlens.Explanation:
    seen = Preprocessing(size=(40, 40), mean=(0.0,) * 3, std=(1.0,) * 3, **shown)
    subject = Subject("bright", Bright().eval(), seen, Classes(("light", "dark")), layers=("say",))
    found: heatlens.Explanation = heatlens.explain(subject, pixels, target="light")
    return found


def photo(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    pixels = np.zeros((80, 160, 3), np.uint8)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = 255
    return pixels


def test_a_bright_thing_is_boxed_on_the_photo() -> None:
    found = explained(photo((60, 20, 100, 60)))
    (box,) = found.boxes(threshold=0.5)
    assert box == pytest.approx((60, 20, 100, 60), abs=1)
    assert found.mask(threshold=0.5).sum() == pytest.approx(1600, rel=0.1)
    assert found.mask(threshold=0.5).shape == (80, 160)
    (finding,) = found.findings(threshold=0.5)
    assert finding == Finding(box, "light", 0, found.probability, found.probability, 1.0)


def test_squashed_photos_are_boxed_in_their_own_proportions() -> None:
    found = explained(photo((20, 20, 60, 60), (120, 20, 140, 40)), resize="squash")
    boxes = found.boxes(threshold=0.5, pick="all")
    assert boxes[0] == pytest.approx((20, 20, 60, 60), abs=2)
    assert boxes[1] == pytest.approx((120, 20, 140, 40), abs=2)
    assert found.boxes(threshold=0.5) == boxes[:1]
    assert found.points()[0] == found.peak
    assert [any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in boxes) for x, y in found.points()] == [True, True]


def test_what_the_model_did_not_see_is_in_no_box() -> None:
    found = explained(photo((0, 0, 160, 80)))  # the middle 80 x 80 are seen
    for how in ({}, {"threshold": "fixed:-1"}, {"refine": "grabcut"}, {"pick": "widest"}):
        assert found.boxes(**how) == [(40, 0, 120, 80)]


def test_a_dark_photo_has_no_place() -> None:
    found = explained(photo())
    assert (found.boxes(), found.points(), found.findings(), found.mask().any()) == ([], [], [], False)


def test_boxes_are_drawn_when_asked() -> None:
    found = explained(photo((60, 20, 100, 60)))
    plain, given = np.asarray(found.overlay(alpha=0)), np.asarray(found.overlay(alpha=0, boxes=found.boxes()))
    assert (np.asarray(found.overlay(alpha=0, boxes=True)) == given).all()
    assert (given != plain).any()
    assert found.picture(boxes=True).size == found.picture().size
