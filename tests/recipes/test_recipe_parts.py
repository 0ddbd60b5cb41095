"""Recipes of several parts: each part as if asked for alone, put together by the recipe's fusion."""

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens import Recipe
from heatlens.recipes.averages.views import Views, unchanged
from heatlens.recipes.shipped import RECIPES, find_recipe
from heatlens.targets import Contrast
from heatlens.words.errors import BadValue, UnknownName


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
    )
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(1))


def peaked(maps: Tensor) -> Tensor:
    return maps / maps.abs().amax((1, 2), keepdim=True)


def test_a_recipe_of_parts_is_the_fusion_of_its_parts(model: nn.Module, images: Tensor) -> None:
    deep, shallow = Recipe("grad_cam", layers=("0.1",)), Recipe("layer_cam", layers=("0.0",), average="flips")
    both = Recipe("both", parts=(deep, shallow), fuse="mean:weights=3+1")
    found = heatlens.attribute(model, images, method=[both, "grad_cam"], target=[1, 2])
    alone = [heatlens.attribute(model, images, method=part, target=[1, 2]) for part in (deep, shallow)]
    torch.testing.assert_close(found["both"], 0.75 * peaked(alone[0]) + 0.25 * peaked(alone[1]))
    torch.testing.assert_close(found["grad_cam"], heatlens.attribute(model, images, target=[1, 2]))


def test_a_contrasting_part_explains_the_class_against_those_like_it(model: nn.Module, images: Tensor) -> None:
    against = heatlens.attribute(model, images, method=Recipe("hires_cam", contrast=True), target=2)
    with torch.no_grad():
        logits = model(images)
    for i, row in enumerate(logits):
        others = [c for c in range(5) if c != 2]
        closest = sorted(others, key=lambda c: float((row[c] - row[2]).abs()))[:3]
        target = Contrast(2, against=tuple(closest))
        one = heatlens.attribute(model, images[i : i + 1], method="hires_cam", target=target)
        torch.testing.assert_close(against[i : i + 1], one)


def test_what_names_no_class_is_explained_as_it_is(model: nn.Module, images: Tensor) -> None:
    def first_two(outputs: Tensor) -> Tensor:
        return outputs[:, :2].sum(1)

    plain, sharper = (
        heatlens.attribute(model, images, method=Recipe("hires_cam", contrast=contrast), target=first_two)
        for contrast in (False, True)
    )
    torch.testing.assert_close(plain, sharper)


def test_stages_are_counted_from_the_deepest(model: nn.Module, images: Tensor) -> None:
    subject = heatlens.load(model, size=(16, 12))
    assert subject.stage_layers() == ("0.0", "0")
    found = heatlens.attribute(subject, images, method="hires_cam", layers="stage:-2", target=1)
    torch.testing.assert_close(found, heatlens.attribute(subject, images, method="hires_cam", layers="0.0", target=1))
    assert subject.named_layers("stage:-9") == ("0.0",)
    assert subject.named_layers("stage:-1") == ("0",)
    with pytest.raises(BadValue, match="stage by number"):
        subject.named_layers("stage:two")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_ships_is_asked_for_by_name_and_leaves_no_place_unseen(model: nn.Module, name: str) -> None:
    photo = torch.rand(3, 16, 12, generator=torch.Generator().manual_seed(2))
    found = heatlens.explain(heatlens.load(model, size=(16, 12)), photo, method=name.upper(), target=1)
    assert found.method == name
    assert found.raw.shape == (16, 12)
    assert set(found.recipe.layers) == {"0", "0.0"}  # two stages; the third is the nearest


def test_a_recipe_that_ships_cannot_be_given_layers(model: nn.Module, images: Tensor) -> None:
    with pytest.raises(BadValue, match="a recipe has its own"):
        heatlens.attribute(model, images, method="precise", layers="0")
    with pytest.raises(UnknownName, match="precise"):
        find_recipe("precice")


def test_what_a_recipe_costs() -> None:
    assert Recipe("layer_cam").cost == "1 forward + 1 backward"
    assert Recipe("eigen_cam", average="noise:samples=5").cost == "1 forward + 5 x (1 forward)"
    twice = "scales:factors=1+2,mirrored=true"  # 2 (1^2 + 2^2)
    deep, shallow = Recipe("grad_cam", average=twice), Recipe("layer_cam", average=twice, contrast=True)
    assert Recipe("both", parts=(deep, shallow)).cost == "1 forward + 10 x (1 forward + 2 backward)"
    plain = Recipe("plain", parts=(Recipe("cam"), Recipe("layer_cam"), deep))
    assert plain.cost == "1 forward + 1 backward + 10 x (1 forward + 1 backward)"
    assert Recipe("grad_cam", average=Twice()).cost == "1 forward + views x (1 forward + 1 backward)"


class Twice:
    """An average of a person's own, which need not say what it costs."""

    scaled = False

    def views(self, images: Tensor, baseline: Tensor) -> Views:
        yield images, unchanged
        yield images, unchanged
