"""What needs no class is given none, and what needs no layer none: Eigen-CAM anywhere, RISE on a perceptron."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.words.errors import HeatlensError
from helpers.networks import Gap

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
CLASSLESS = [name for name in heatlens.methods() if not heatlens.Recipe(name).knows_target]


class Ends(nn.Module):
    """A body, and an ending that no class can be read from."""

    def __init__(self, end: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.body(x))


ENDS: dict[str, Any] = {
    "boxes": lambda f: f.flatten(2),
    "a detector": lambda f: [
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "scores": torch.zeros(0)} for _ in f
    ],
    "several": lambda f: (f.mean((2, 3)), f.mean((2, 3))[:, :3]),
    "places": lambda f: f[:, :1] * 0 - 1,
    "tokens": lambda f: {"last_hidden_state": f.flatten(2).mT, "pooler_output": f.mean((2, 3))},
}


def test_there_are_such_methods() -> None:
    assert {"eigen_cam", "kpca_cam", "fem", "deep_feature_factorisation"} <= set(CLASSLESS)
    assert "grad_cam" not in CLASSLESS


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", CLASSLESS)
def test_methods_that_know_no_class_need_no_target(method: str, end: str) -> None:
    net = Ends(ENDS[end]).eval()
    plain = Ends(lambda f: f.mean((2, 3))).eval()
    found, expected = (
        heatlens.attribute(m, IMAGES, method=method, layers="body", upsample=False) for m in (net, plain)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("end", ENDS)
def test_the_answer_names_no_class(end: str) -> None:
    subject = heatlens.load(Ends(ENDS[end]).eval(), size=16, mean=0, std=1)
    answer = heatlens.explain(subject, IMAGES[0], method="eigen_cam", layers="body")
    assert (answer.name, answer.index, answer.score, answer.probability) == ("no class", None, None, None)
    assert answer.predictions == ()


def test_methods_that_know_one_still_ask() -> None:
    for end in ("boxes", "several"):
        with pytest.raises(HeatlensError):
            heatlens.attribute(Ends(ENDS[end]).eval(), IMAGES, method="grad_cam", layers="body")
    with pytest.raises(HeatlensError):  # nor is a target that was asked for and cannot be had passed over
        heatlens.attribute(Ends(ENDS["several"]).eval(), IMAGES, method="eigen_cam", layers="body", target=2)


def test_beside_a_method_that_knows_one_they_share_its_target() -> None:
    subject = heatlens.load(Gap().eval(), size=16, mean=0, std=1)
    answers = heatlens.explain(subject, IMAGES[0], method=["grad_cam", "eigen_cam"])
    assert answers[0].index == answers[1].index is not None


def test_a_classifier_still_says_what_it_predicts() -> None:
    subject = heatlens.load(Gap().eval(), size=16, mean=0, std=1)
    answer = heatlens.explain(subject, IMAGES[0], method="eigen_cam")
    assert answer.index == int(subject.model(subject.prepare(answer.photo)[0]).argmax())


def test_no_pass_more_than_one() -> None:
    ran: list[int] = []
    net = Ends(lambda f: f.mean((2, 3)).sigmoid()).eval()
    net.body.register_forward_hook(lambda module, args, out: ran.append(1))
    heatlens.attribute(net, IMAGES, method=["eigen_cam", "fem"], layers="body")
    assert len(ran) == 1


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


LAYERLESS: dict[str, dict[str, Any]] = {
    "rise": {"samples": 6},
    "occlusion": {"window": 4, "stride": 4},
    "lime": {"samples": 12},
    "full_grad": {},
    "guided_backprop": {},
}


@pytest.mark.parametrize("method", LAYERLESS)
def test_methods_that_look_at_pictures_need_no_layer(method: str) -> None:
    net = perceptron()
    maps = heatlens.attribute(net, IMAGES, target=1, method=method, settings=LAYERLESS[method])
    assert maps.shape == (2, 16, 16)
    assert bool(maps.any())
    subject = heatlens.load(net, size=16, mean=0, std=1)
    answer = heatlens.explain(subject, IMAGES[0], target=1, method=method, settings=LAYERLESS[method])
    assert answer.recipe.layers == ()
    assert answer.map.shape == (16, 16)
    assert "  " not in answer.label[1]
    assert not answer.label[1].endswith("· ")


def test_occlusion_of_a_perceptron_by_hand() -> None:
    """What the score loses where a window is black: of windows side by side, each place has its own window's loss."""
    net, score = perceptron(), perceptron()(IMAGES)[:, 1]
    expected = torch.zeros(2, 16, 16)
    for row in range(0, 16, 4):
        for column in range(0, 16, 4):
            hidden = IMAGES.clone()
            hidden[:, :, row : row + 4, column : column + 4] = 0
            expected[:, row : row + 4, column : column + 4] = (score - net(hidden)[:, 1]).detach()[:, None, None]
    maps = heatlens.attribute(
        net, IMAGES, target="logit:1", method="occlusion", settings={"window": 4, "stride": 4, "score": "logit"}
    )
    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-6)


def test_methods_that_need_one_say_that_there_is_none() -> None:
    with pytest.raises(HeatlensError, match="no layer that still has a space"):
        heatlens.attribute(perceptron(), IMAGES, target=1)
    with pytest.raises(HeatlensError, match="no layer"):
        heatlens.attribute(perceptron(), IMAGES, target=1, method="relevance_cam")
    with pytest.raises(HeatlensError, match="no layer 'nowhere'"):
        heatlens.attribute(perceptron(), IMAGES, target=1, method="occlusion", layers="nowhere")
