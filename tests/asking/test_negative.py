"""What speaks against a class below zero, for every method: its map less that of the target's opposite."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens import Recipe
from heatlens.images import Preprocessing
from heatlens.methods.contents import METHODS, find_method
from heatlens.words.errors import BadValue
from helpers.networks import Gap

IMAGES = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def gap() -> nn.Module:
    torch.manual_seed(0)
    model = Gap().eval()
    with torch.no_grad():  # class 2: as much for as against, over all places together
        mean = model.relu(model.body(IMAGES)).mean((0, 2, 3))
        drawn = torch.randn(len(mean)) * 3
        model.head.weight[2] = drawn - (drawn @ mean) / (mean @ mean) * mean
    return model


MODEL = gap()


def maps(method: Any, **asked: Any) -> Tensor:
    return heatlens.attribute(MODEL, IMAGES, method=method, target=2, layers="relu", upsample=False, **asked)


def by_hand() -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        A = MODEL.relu(MODEL.body(IMAGES))
    return A, MODEL.head.weight[2].detach()[None, :, None, None].expand_as(A) / A[0, 0].numel()


def test_grad_cam_without_its_relu() -> None:
    A, g = by_hand()
    found = maps("grad_cam", negative=True)
    torch.testing.assert_close(found, (g.mean((2, 3), keepdim=True) * A).sum(1))
    assert (found < 0).any()
    torch.testing.assert_close(found.clamp(min=0), maps("grad_cam"))


def test_layer_cam_of_both_signs() -> None:
    A, g = by_hand()
    expected = (g.clamp(min=0) * A).sum(1).clamp(min=0) - ((-g).clamp(min=0) * A).sum(1).clamp(min=0)
    torch.testing.assert_close(maps("layer_cam", negative=True), expected)


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "ablation_cam", "recipro_cam"])
def test_it_is_the_map_less_that_of_the_negative_target(name: str) -> None:
    settings = {"score": "logit"} if name == "recipro_cam" else {}
    against = heatlens.attribute(
        MODEL, IMAGES, method=name, target="negative:2", layers="relu", upsample=False, settings=settings
    )
    expected = maps(name, settings=settings)
    if not find_method(name).signed and find_method(name).display == "peak":
        expected = expected - against
    torch.testing.assert_close(maps(name, negative=True, settings=settings), expected)


@pytest.mark.parametrize("name", ["hires_cam", "cam", "eigen_cam", "fem", "centre", "random_cam"])
def test_what_has_both_signs_or_knows_no_class_stays(name: str) -> None:
    torch.testing.assert_close(maps(name, negative=True), maps(name))


def test_methods_that_score_by_probabilities_explain_the_opposite_too() -> None:
    """-p in the place of p: Score-CAM's weights are all negative, and nothing is left behind its ReLU."""
    against = heatlens.attribute(MODEL, IMAGES, method="score_cam", target="negative:2", layers="relu")
    assert not against.any()
    torch.testing.assert_close(maps("score_cam", negative=True), maps("score_cam"))
    logit = {"score": "logit"}
    two_sided = maps("score_cam", negative=True, settings=logit)
    torch.testing.assert_close(two_sided.clamp(min=0), maps("score_cam", settings=logit))


def test_layers_are_fused_and_views_averaged_with_their_signs() -> None:
    layers = ["body.1", "relu"]
    asked: dict[str, Any] = {"target": 2, "layers": layers, "negative": True, "method": "grad_cam"}
    fused = heatlens.attribute(MODEL, IMAGES, **asked)
    one = [heatlens.attribute(MODEL, IMAGES, **{**asked, "layers": layer}) for layer in layers]
    expected = sum(m / m.abs().amax((1, 2), keepdim=True) for m in one) / 2
    torch.testing.assert_close(fused, expected, rtol=1e-4, atol=1e-5)
    flips = maps("grad_cam", negative=True, average="flips:factors=1.0")
    assert (flips < 0).any()


def test_several_targets_and_recipes_share_a_look() -> None:
    found = heatlens.attribute(
        MODEL, IMAGES, target=2, upsample=False,
        method=[Recipe("grad_cam", layers=("relu",)), Recipe("grad_cam", layers=("relu",), negative=True)],
    )  # fmt: skip
    plain, both = found.values()
    assert list(found) == ["grad_cam", "grad_cam negative=True"]
    torch.testing.assert_close(plain, maps("grad_cam"))
    torch.testing.assert_close(both, maps("grad_cam", negative=True))
    with pytest.raises(BadValue, match="negative for fast"):
        heatlens.attribute(MODEL, IMAGES, method="fast", negative=True)


def test_a_target_of_ones_own(tmp_path: Path) -> None:
    found = heatlens.attribute(
        MODEL, IMAGES, target=lambda out: out[:, 2] ** 3, layers="relu", upsample=False, negative=True
    )
    assert (found < 0).any()


def test_it_is_shown_in_two_colours_and_said(tmp_path: Path) -> None:
    subject = heatlens.Subject("gap", MODEL, Preprocessing((24, 24), "squash"), layers=("relu",))
    found = heatlens.explain(subject, (IMAGES[0] * 255).byte(), target=2, negative=True)
    assert found.signed
    assert found.label[1].endswith("negative")
    assert found.recipe.negative
    assert all(entry.display in ("peak", "range") for entry in METHODS.values())
