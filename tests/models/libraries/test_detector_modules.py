"""Detectors as modules, lists of pictures, and what is explained where nobody names a detection."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import (
    FasterRCNN,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    ssdlite320_mobilenet_v3_large,
)
from torchvision.models.detection.anchor_utils import AnchorGenerator

import heatlens
from heatlens.targets import Box
from heatlens.words.errors import BadValue, NotInPhoto
from helpers.networks import lively

PHOTO = torch.randint(0, 256, (3, 100, 150), generator=torch.Generator().manual_seed(0)) / 255


def built() -> Any:
    torch.manual_seed(0)
    net = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=3, box_score_thresh=0.0
    )
    return lively(net.eval(), PHOTO[None])


NET = built()


def by_hand(layer: str, rank: int) -> Tensor:
    """HiResCAM of the rank-th strongest score."""
    seen: list[Tensor] = []
    handle = NET.get_submodule(layer).register_forward_hook(lambda module, args, out: seen.append(out))
    found = NET([PHOTO])[0]
    handle.remove()
    score = found["scores"][found["scores"].argsort(descending=True, stable=True)[rank]]
    (slope,) = torch.autograd.grad(score, seen[0])
    return (slope * seen[0]).sum(1).detach()


def test_a_module_is_explained_like_the_detector_by_name() -> None:
    subject = heatlens.load(NET)
    assert subject.usual == Box()
    named = heatlens.load("torchvision/fasterrcnn_mobilenet_v3_large_320_fpn", weights="none", num_classes=3)
    assert subject.default_layers() == named.default_layers()
    assert subject.preprocessing == named.preprocessing
    answer = heatlens.explain(NET, PHOTO, target="box:#1")
    assert answer.score == pytest.approx(float(NET([PHOTO])[0]["scores"].max()), rel=1e-4)
    assert answer.map.shape == (100, 150)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("as_a_list", [True, False])
def test_the_map_of_a_detection_is_its_own_gradient(rank: int, as_a_list: bool) -> None:
    layer = "backbone.body.13"
    given: Any = [PHOTO] if as_a_list else PHOTO[None]
    ask: dict[str, Any] = {"target": f"box:#{rank + 1}", "layers": layer, "method": "hires_cam", "upsample": False}
    found = heatlens.attribute(NET, given, **ask)
    expected = by_hand(layer, rank)
    torch.testing.assert_close(found, expected[:, : found.shape[1], : found.shape[2]], rtol=1e-3, atol=1e-9)


def test_lists_of_pictures_of_one_size_and_of_several() -> None:
    pictures = [PHOTO, PHOTO.flip(-1)]
    together = heatlens.attribute(NET, pictures)
    torch.testing.assert_close(together, heatlens.attribute(NET, torch.stack(pictures)))
    several = [PHOTO, PHOTO[:, :80, :90]]
    found = heatlens.attribute(NET, several, target=["box:#1", "box:#2"], method=["layer_cam", "hires_cam"])
    assert {key: [tuple(one.shape) for one in maps] for key, maps in found.items()} == {
        "layer_cam": [(100, 150), (80, 90)],
        "hires_cam": [(100, 150), (80, 90)],
    }
    alone = heatlens.attribute(NET, several[1][None], target="box:#2", method="hires_cam")
    torch.testing.assert_close(found["hires_cam"][1], alone[0])
    assert [tuple(one.shape) for one in heatlens.attribute(NET, several)] == [(100, 150), (80, 90)]


class Said(nn.Module):
    """A detector whose scores are known: one box for each number."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.scores = torch.tensor(scores)

    def forward(self, images: Any) -> list[dict[str, Tensor]]:
        found = []
        for image in images:
            level = self.body(image[None]).mean() * 0
            corner = torch.arange(len(self.scores)) * 4.0
            boxes = torch.stack([corner, corner, corner + 3, corner + 3], 1)
            found.append({"boxes": boxes, "labels": torch.arange(len(self.scores)), "scores": self.scores + level})
        return found


@pytest.mark.parametrize(
    ("scores", "count"),
    [([0.9, 0.2, 0.6], 2), ([0.3, 0.1], 1), ([0.99, 0.98, 0.97, 0.96, 0.95, 0.94], 5), ([0.5, 0.5], 2)],
)
def test_a_detector_that_is_asked_for_nothing_answers_by_what_it_finds(scores: list[float], count: int) -> None:
    from dataclasses import replace

    subject = replace(heatlens.load(Said(scores).eval(), size=32, mean=0, std=1), usual=Box())
    found = heatlens.explain(subject, PHOTO, method="hires_cam", layers="body")
    assert isinstance(found, list)
    assert [e.score for e in found] == pytest.approx(sorted(scores, reverse=True)[:count])
    assert [e.target.rank for e in found] == list(range(count))
    several = heatlens.explain(subject, [PHOTO, PHOTO], method="hires_cam", layers="body")
    assert len(several) == 2 * count
    one = heatlens.explain(subject, PHOTO, method="hires_cam", layers="body", target="box:#1")
    assert one.score == pytest.approx(max(scores))


def test_detections_of_a_real_detector_one_map_each() -> None:
    found = heatlens.explain(NET, PHOTO)
    scores = NET([PHOTO])[0]["scores"].detach()
    assert len(found) == max(1, min(5, int((scores >= 0.5).sum())))
    assert found[0].score == pytest.approx(float(scores.max()), rel=1e-4)


def test_a_detector_that_finds_nothing_says_so() -> None:
    with pytest.raises(NotInPhoto, match="no detection #1 in this image"):
        heatlens.explain(heatlens.load(Quiet().eval(), size=32, mean=0, std=1), PHOTO, target="box:#1", layers="body")


class Quiet(Said):
    def __init__(self) -> None:
        super().__init__([])


@pytest.mark.parametrize("method", ["eigen_cam", "fem"])
def test_methods_that_know_no_class_need_no_detection(method: str) -> None:
    quiet, images = Quiet().eval(), torch.rand(1, 3, 16, 16)
    maps = heatlens.attribute(quiet, images, method=method, layers="body", upsample=False)
    twin = nn.Sequential(Said([0.5]).body, nn.Flatten(), nn.LazyLinear(2)).eval()
    twin[0].load_state_dict(quiet.body.state_dict())
    twin(images)
    torch.testing.assert_close(maps, heatlens.attribute(twin, images, method=method, layers="0", upsample=False))


def test_a_wrapped_detector_is_asked_for_its_strongest_detection() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Said([0.1, 0.8, 0.3])

        def forward(self, x: Tensor) -> Any:
            return self.inner(x)

    answer = heatlens.explain(heatlens.load(Wrapped().eval(), size=32, mean=0, std=1), PHOTO, layers="inner.body")
    assert (answer.score, answer.index) == (pytest.approx(0.8), 1)
    with pytest.raises(BadValue, match="Write box:CLASS, or box:#1"):
        heatlens.attribute(Wrapped().eval(), PHOTO[None], target=1, layers="inner.body")


def test_a_detector_on_a_backbone_of_one_s_own() -> None:
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 4, 1), nn.ReLU())
    backbone.out_channels = 8
    torch.manual_seed(0)
    anchors = AnchorGenerator(sizes=((32, 64),), aspect_ratios=((1.0,),))
    net = FasterRCNN(backbone, 3, min_size=64, max_size=96, rpn_anchor_generator=anchors, box_score_thresh=0.0).eval()
    (layer,) = heatlens.load(net).default_layers(PHOTO[None])
    assert layer == "backbone"
    assert heatlens.explain(net, PHOTO, target="box:#1").map.shape == (100, 150)


def test_ssd_modules_work_too() -> None:
    torch.manual_seed(0)
    net = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3, score_thresh=0.0).eval()
    assert heatlens.explain(net, PHOTO, target="box:#1").map.shape == (100, 150)
