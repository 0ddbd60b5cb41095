"""Segmentation by one number a place, or by labels: the region is where a class is said, not everything."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.targets import Answer, Meaning, Region
from heatlens.words.errors import BadValue, NotInPhoto


class Bright(nn.Module):
    """One logit a pixel: how much brighter than a half it is, 10 to 1; then an ending."""

    def __init__(self, end: Any = None) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)
        self.head = nn.Conv2d(4, 1, 1)
        self.end = end or nn.Identity()
        with torch.no_grad():
            for weights in self.parameters():
                weights.zero_()
            self.body.weight[0, :, 0, 0] = 1 / 3
            self.head.weight[0, 0] = 10
            self.head.bias.fill_(-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.head(self.body(x)))


IMAGES = torch.zeros(1, 3, 16, 16)
IMAGES[..., 4:8, 4:9] = 1
THERE = IMAGES[0, 0] > 0
"""20 of 256 places, where the logit is 5; elsewhere it is -5."""


def logit(outputs: Tensor) -> Tensor:
    return outputs[:, 0]


@pytest.mark.parametrize("target", ["region:", "region:0", None])
def test_the_region_is_where_the_logit_is_above_0(target: str | None) -> None:
    net = Bright().eval()
    found = heatlens.attribute(net, IMAGES, target=target, layers="body", method="hires_cam", upsample=False)
    by_hand = heatlens.attribute(
        net, IMAGES, layers="body", method="hires_cam", upsample=False, target=lambda out: logit(out)[:, THERE].mean(1)
    )
    torch.testing.assert_close(found, by_hand)
    assert torch.equal(found[0] != 0, THERE)
    torch.testing.assert_close(found[0][THERE], torch.full((20,), 10 / 20))


def test_behind_a_sigmoid_it_is_where_the_probability_is_above_a_half() -> None:
    net = Bright(nn.Sigmoid()).eval()
    found = heatlens.attribute(net, IMAGES, target="region:", layers="body", method="hires_cam", upsample=False)
    torch.testing.assert_close(found[0], torch.where(THERE, 0.5, 0.0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("end", [None, nn.Sigmoid()], ids=["logits", "sigmoid"])
def test_its_score_and_its_probability(end: Any) -> None:
    subject = heatlens.load(Bright(end).eval(), size=16, mean=0, std=1)
    answer = heatlens.explain(subject, IMAGES[0], layers="body")
    assert answer.score == pytest.approx(5, abs=1e-4)
    assert isinstance(answer.target, Region)
    assert int(answer.target.mask.array.sum()) == 20
    assert any("the region that it predicts is explained" in said for said in answer.warnings)
    outputs = Answer(subject.model(IMAGES), Meaning(scores="sigmoid" if end else "logits"))
    likely = Region(score="probability").settle(outputs)(outputs)
    assert float(likely) == pytest.approx(1 / (1 + 2.718281828**-5), abs=1e-5)


def test_a_network_that_finds_nothing_is_one_line() -> None:
    for target in ("region:", "region:0", None):
        with pytest.raises(NotInPhoto, match="finds nothing in this image") as refused:
            heatlens.attribute(Bright().eval(), IMAGES * 0, target=target, layers="body")
        assert len(str(refused.value).splitlines()) == 1


def test_a_class_that_there_is_not() -> None:
    with pytest.raises(BadValue, match=r"no class 1\. Expected an index from 0 to 0"):
        heatlens.attribute(Bright().eval(), IMAGES, target="region:1", layers="body")


def test_two_names_for_one_channel() -> None:
    subject = heatlens.load(Bright().eval(), size=16, mean=0, std=1, classes=["nothing", "thing"])
    for target in (None, "region:thing", "region:1", "region:"):
        answer = heatlens.explain(subject, IMAGES[0], target=target, layers="body", method="hires_cam")
        assert (answer.name, answer.index) == ("region of thing", 1)
        assert torch.equal(torch.from_numpy(answer.raw) > 0, THERE)
    beside = heatlens.explain(subject, IMAGES[0], target="region:nothing", layers="body")
    assert beside.score == pytest.approx(5, abs=1e-5)
    assert int(beside.target.mask.array.sum()) == 236


LABELS = torch.full((1, 3, 4, 4), -1.0)
LABELS[0, 0, :2] = 3.0
LABELS[0, 1, :3] = 1.0
"""Label 0 on 8 places, label 1 on 12 (8 of them beside label 0), label 2 nowhere."""


def test_labels_may_lie_over_each_other() -> None:
    outputs = Answer(LABELS, Meaning(scores="multilabel"))
    assert Region().settle(outputs).index == 1
    assert float(Region(1, reduce="sum").settle(outputs)(outputs)) == 12
    assert float(Region(0, reduce="sum").settle(outputs)(outputs)) == 24
    with pytest.raises(NotInPhoto, match=r"class 2 is nowhere above 0 in this image\..*by area: 1, 0\)"):
        Region(2).settle(outputs)
    assert float(Region(1, reduce="sum").settle(LABELS)(LABELS)) == 4  # of classes only the strongest is there


class Boxes(nn.Module):
    """(n, 4 + classes, anchors), as some detectors return them."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 16, 3, 8, 1), nn.ReLU())
        self.head = nn.Conv2d(16, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = self.head(self.trunk(x)).flatten(2)
        return torch.cat([found[:, :4].exp() * 100, found[:, 4:].sigmoid()], 1)


@pytest.mark.parametrize("target", [None, 1, "region:", "region:1", "negative:1"])
def test_boxes_are_no_segmentation(target: Any) -> None:
    with pytest.raises(BadValue, match=r"out\[:, 4 \+ CLASS\]\.amax\(1\)") as refused:
        heatlens.attribute(Boxes().eval(), torch.rand(1, 3, 64, 64), target=target, layers="trunk")
    assert "region:CLASS" not in str(refused.value)


def test_the_advice_for_boxes_works() -> None:
    net, images = Boxes().eval(), torch.rand(1, 3, 64, 64)
    maps = heatlens.attribute(net, images, target=lambda out: out[:, 4 + 1].amax(1), layers="trunk", upsample=False)
    assert maps.shape == (1, 8, 8)
