"""Layers named as people name them: by name, as modules, by number, by stage, all of them, from one to another."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.models.reading.layers import list_layers
from heatlens.recipes.layers import several
from heatlens.words.errors import BadValue, UnknownName
from helpers.networks import Gap, torchvision_model

NET, IMAGES = torchvision_model("resnet18")
SUBJECT = heatlens.load(NET, size=64)
LISTED = list_layers(NET, (IMAGES,), {}, SUBJECT.reading)


def named(*asked: Any) -> tuple[str, ...]:
    return SUBJECT.named_layers(asked, IMAGES)


def by_hand(layer: nn.Module, score: int) -> Tensor:
    """HiResCAM: the sum over channels of gradient times activation."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, args, out: seen.append(out))
    try:
        outputs = NET(IMAGES)
    finally:
        handle.remove()
    (slope,) = torch.autograd.grad(outputs[:, score].sum(), seen[0])
    return (slope * seen[0]).sum(1).detach()


@pytest.mark.parametrize(
    ("layers", "layer"),
    [
        (NET.layer4, NET.layer4),
        ([NET.layer4], NET.layer4),
        (NET.layer4[-1], NET.layer4[-1]),
        ([NET.layer3[-1].conv2], NET.layer3[-1].conv2),
        (-1, NET.layer4),
        ("-1", NET.layer4),
        ("layer3[-1].conv2", NET.layer3[-1].conv2),
        ("layer3[0]", NET.layer3[0]),
        ("stage:-2", NET.layer3),
    ],
    ids=lambda given: str(given) if isinstance(given, int | str) else type(given).__name__,
)
def test_modules_numbers_and_stages_give_the_map_of_their_layer(layers: Any, layer: nn.Module) -> None:
    maps = heatlens.attribute(NET, IMAGES, target=3, layers=layers, method="hires_cam", upsample=False)
    torch.testing.assert_close(maps, by_hand(layer, 3), rtol=1e-4, atol=1e-6)


def test_a_number_means_what_it_means_in_the_list() -> None:
    numbers = {layer.number: layer.name for layer in LISTED if layer.number is not None}
    assert sorted(numbers) == list(range(len(numbers)))
    assert named(*numbers) == tuple(numbers.values())
    assert named(*map(str, numbers)) == tuple(numbers.values())
    assert all(layer.number is None for layer in LISTED if layer.name in ("avgpool", "fc"))
    assert named(-1, -len(numbers)) == (numbers[len(numbers) - 1], numbers[0])


def test_all_means_every_layer_with_a_map_and_each_of_its_runs() -> None:
    assert {layer.calls for layer in LISTED} == {1, 2}  # torchvision's blocks run their ReLU twice
    each = [
        layer.name if layer.calls == 1 else f"{layer.name}@{call}"
        for layer in LISTED
        if layer.number is not None
        for call in range(layer.calls)
    ]
    assert named("all") == tuple(each)
    assert named("layer4.1.relu@all") == ("layer4.1.relu@0", "layer4.1.relu@1")
    assert named("layer4@all") == ("layer4",)


def test_stages_from_one_to_another_and_all_of_them() -> None:
    assert named("stage:all") == SUBJECT.stage_layers()
    assert named("stage:-3..-1") == ("layer2", "layer3", "layer4")
    assert named("stage:-1..stage:-2") == ("layer3", "layer4")
    assert named("stage:-99") == SUBJECT.stage_layers()[:1]


def test_a_range_of_names_is_of_one_depth_and_a_range_of_numbers_is_everything_between() -> None:
    assert named("layer2..layer4") == ("layer2", "layer3", "layer4")
    assert named("layer4..layer2") == ("layer2", "layer3", "layer4")
    assert named("layer3.1..layer4.0") == ("layer3.1", "layer4.0")
    assert named("3..5") == named(3, 4, 5)
    assert SUBJECT.named_layers(range(3, 6), IMAGES) == named("3..5")


def test_indices_are_read_as_python_reads_them() -> None:
    assert named("layer3[-2].bn1", "layer3[0]..layer4[-1]") == (
        "layer3.0.bn1", "layer3.0", "layer3.1", "layer4.0", "layer4.1",
    )  # fmt: skip
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3)))
    subject = heatlens.load(net, size=16)
    assert subject.named_layers(["[-1]", "[-1][0]"], torch.rand(1, 3, 16, 16)) == ("1", "1.0")


def test_each_layer_comes_once() -> None:
    assert named("layer4", NET.layer4, -1, "stage:-1") == ("layer4",)


def test_a_name_that_looks_like_a_number_is_a_name() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.LazyLinear(3)).eval()
    images = torch.rand(1, 3, 8, 8)
    net(images)
    subject = heatlens.load(net)
    assert subject.named_layers("2", images) == ("2",)
    assert subject.named_layers(2, images) == ("2",)
    assert subject.named_layers("-1", images) == ("2",)


def test_layers_may_be_declared_so_when_the_model_is_loaded() -> None:
    subject = heatlens.load(NET, size=64, layers=NET.layer3)
    assert subject.default_layers() == ("layer3",)
    assert heatlens.load(NET, size=64, layers="stage:-2").default_layers() == ("layer3",)


def test_a_recipe_keeps_what_was_asked_and_the_answer_says_the_names() -> None:
    recipe = heatlens.Recipe("layer_cam", layers=(NET.layer4, "stage:-2"))
    answer = heatlens.explain(SUBJECT, torch.rand(3, 64, 64), method=recipe, target=1)
    assert answer.recipe.layers == ("layer4", "layer3")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Gap().relu, "a ReLU that is no part of the model. Expected a module inside this ResNet"),
        (NET, "the model itself"),
        (400, "layer number 400. Expected 0 to"),
        ("-400", "layer number -400. Expected 0 to"),
        (True, "the layer True"),
        (1.5, "layers=1.5. Expected names, modules, numbers"),
        ("stage:x", "stage by number"),
        ("layer2..layer3.0", "one depth"),
        ("layer2..layer9", "two names of one depth"),
        ("layer2..fc", "'fc' has no map"),
        ("layer4[2]", "'layer4' has 2 parts"),
        ("layer5[-1].conv2", "there is no list of layers 'layer5'"),
        ("fc[0]", "there is no list of layers 'fc'"),
    ],
    ids=str,
)
def test_what_names_no_layer_is_refused_in_one_line(asked: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said.replace(".", r"\.")) as caught:
        heatlens.attribute(NET, IMAGES, target=1, layers=asked)
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_still_gets_close_ones() -> None:
    with pytest.raises(UnknownName, match="layer4"):
        named("layr4")


def test_one_or_several() -> None:
    blocks = nn.ModuleList([nn.ReLU(), nn.ReLU()])
    assert several(None) == several([]) == ()
    assert several("a") == ("a",)
    assert several(3) == (3,)
    assert several(blocks) == tuple(blocks)
    assert several(NET.layer4) == (NET.layer4,)
    assert several(name for name in ("a", "b")) == ("a", "b")
