"""A class over a region: means and sums by hand, masks as values."""

import numpy as np
import pytest
import torch
from torch import nn

import heatlens
from heatlens.targets import Classes, Mask, Negative, Region, parse_target, settle
from heatlens.words.errors import BadValue

torch.manual_seed(0)
SCORES = torch.randn(1, 3, 4, 5)
SCORES[:, 0, :2] += 9  # class 0 on ten places, class 2 on six, class 1 on four
SCORES[:, 2, 2:, :3] += 9
SCORES[:, 1, 2:, 3:] += 9
OUT = {"out": SCORES}


def by_hand(scores: torch.Tensor, index: int, where: list[tuple[int, int]]) -> float:
    return sum(float(scores[0, index, i, j]) for i, j in where) / len(where)


LEFT_BELOW = [(i, j) for i in (2, 3) for j in (0, 1, 2)]


def test_where_the_class_is_the_strongest() -> None:
    region = Region(2).settle(OUT)
    assert float(region(OUT)) == pytest.approx(by_hand(SCORES, 2, LEFT_BELOW))
    assert float(Region(2, reduce="sum").settle(OUT)(OUT)) == pytest.approx(6 * by_hand(SCORES, 2, LEFT_BELOW))
    p = SCORES.softmax(1)
    assert float(Region(2, score="probability").settle(OUT)(OUT)) == pytest.approx(by_hand(p, 2, LEFT_BELOW))


def test_the_largest_region_the_second_and_the_background() -> None:
    assert Region().settle(OUT).index == 0
    assert Region(rank=1).settle(OUT).index == 2
    assert Region(background=0).settle(OUT).index == 2
    assert Region(rank=1, background=0).settle(OUT).index == 1
    with pytest.raises(BadValue, match=r"no region #4 in this image\. Expected #1 to #3"):
        Region(rank=3).settle(OUT)


def test_a_settled_region_stays_where_it_was() -> None:
    region = Region(2).settle(OUT)
    other = torch.randn(2, 3, 4, 5)
    expected = [by_hand(other[n : n + 1], 2, LEFT_BELOW) for n in (0, 1)]
    assert region(other).tolist() == pytest.approx(expected)
    assert region.settle(other) is region


def test_masks_given_by_hand_and_of_another_size() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1, 3] = mask[2, 0] = True
    assert float(Region(1, mask=mask)(OUT)) == pytest.approx(by_hand(SCORES, 1, [(1, 3), (2, 0)]))
    large = torch.from_numpy(mask).repeat_interleave(3, 0).repeat_interleave(3, 1)
    assert float(Region(1, mask=large)(OUT)) == pytest.approx(by_hand(SCORES, 1, [(1, 3), (2, 0)]))


def test_the_probability_of_a_region_is_its_score_under_the_softmax() -> None:
    region = Region(2).settle(OUT)
    assert region.as_probability() == Region(2, mask=region.mask, score="probability")


def test_a_mask_is_a_value() -> None:
    where = torch.tensor([[True, False], [False, False]])
    assert Mask.of(where) == Mask.of(where.numpy())
    assert Mask.of(where) != Mask.of(~where)
    assert repr(Mask.of(where)) == "Mask(2 x 2, 1 in)"
    assert Region(1, mask=where) == Region(1, mask=where.float())
    assert len({Region(1, mask=where), Region(1, mask=where), Region(1, mask=~where)}) == 2
    with pytest.raises(BadValue, match="nothing in it"):
        Mask.of(torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("region", "outputs", "words"),
    [
        (Region(7), OUT, "the model has no class 7"),
        (Region(2), torch.randn(1, 3), "Expected a network that answers place by place"),
        (Region(0), {"out": SCORES - 99 * torch.eye(3)[0][:, None, None]}, "class 0 is nowhere the strongest"),
    ],
)
def test_what_cannot_be_is_said(region: Region, outputs: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        region.settle(outputs)


def test_before_it_is_settled_it_has_no_score() -> None:
    with pytest.raises(BadValue, match="not settled"):
        Region(1)(OUT)


def test_as_people_write_it() -> None:
    find = Classes(("sky", "dog", "cat")).find
    assert parse_target("region:dog", find) == Region(1)
    assert parse_target("region:", find) == Region()
    assert parse_target("region:#2,score=probability,reduce=sum", find) == Region(
        rank=1, score="probability", reduce="sum"
    )
    usual = Region(background=0)
    assert parse_target(None, find, usual) == usual
    assert parse_target("cat", find, usual) == Region(2, background=0)
    assert parse_target("#2", find, usual) == Region(rank=1, background=0)
    assert parse_target(1, find, usual) == Region(1, background=0)
    assert parse_target("negative:cat", find, usual) == Negative(Region(2, background=0))
    with pytest.raises(heatlens.HeatlensError, match="region has no setting 'colour'"):
        parse_target("region:dog,colour=red", find)
    assert Region(1).text(("sky", "dog").__getitem__) == "region of dog"
    assert str(Region(1)) == "region of class 1"


class Segments(nn.Module):
    """Three classes a place; what a place says depends on its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).relu())


def network() -> tuple[Segments, torch.Tensor]:
    torch.manual_seed(3)
    return Segments().eval(), torch.randn(2, 3, 6, 7)


def test_a_map_of_a_region_is_the_gradient_of_its_mean() -> None:
    model, images = network()
    body = model.body(images)
    scores = model.head(body.relu())
    score = 0.0
    for n in range(2):
        strongest = scores[n].argmax(0)
        index = int(strongest.flatten().bincount().argmax())
        score = score + scores[n, index][strongest == index].mean()
    expected = (body * torch.autograd.grad(score, body)[0]).sum(1)
    found = heatlens.attribute(model, images, method="hires_cam", layers="body", target="region:", upsample=False)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", ["ablation_cam", "recipro_cam", "score_cam", "rise", "layer_integrated_gradients"])
def test_replays_and_changed_pictures_ask_the_same_region(method: str) -> None:
    model, images = network()
    settings = {"samples": 8, "cells": 2} if method == "rise" else {}
    maps = heatlens.attribute(model, images, method=method, layers="body", target="region:#1", settings=settings)
    assert maps.shape == (2, 6, 7)
    assert bool(maps.flatten(1).any(1).all())
    alone = heatlens.attribute(model, images[1:], method=method, layers="body", target="region:#1", settings=settings)
    torch.testing.assert_close(maps[1:], alone, rtol=1e-4, atol=1e-5)


def test_ablation_is_the_mean_s_own_loss() -> None:
    model, images = network()
    body = model.body(images[:1])
    region = settle(Region(1), model(images[:1]))
    whole = float(region(model.head(body.relu())))
    expected = torch.zeros(6, 7)
    for k in range(6):
        without = body.clone()
        without[:, k] = 0
        loss = (whole - float(region(model.head(without.relu())))) / whole
        expected += loss * body[0, k].detach()
    found = heatlens.attribute(
        model, images[:1], method="ablation_cam", layers="body", target=Region(1), upsample=False
    )
    torch.testing.assert_close(found[0], expected.clamp(min=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("average", ["flips", "scales"])
def test_averages_that_move_things_are_refused(average: str) -> None:
    model, images = network()
    with pytest.raises(BadValue, match=f"the average {average} for region of class"):
        heatlens.attribute(model, images, layers="body", target="region:", average=average)
    heatlens.attribute(model, images, layers="body", target="region:", average="noise:samples=2")


def test_a_class_alone_does_not_say_which_places() -> None:
    model, images = network()
    with pytest.raises(BadValue, match="Write region:CLASS"):
        heatlens.attribute(model, images, layers="body", target=1)


def test_the_default_layer_of_a_segmentation_is_not_its_head() -> None:
    model, images = network()
    assert heatlens.load(model).default_layers(images) == ("body",)
