"""A layer that runs several times in one pass: which run is meant is asked, and every one of them can be had."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.models.reading.layers import list_layers
from heatlens.words.errors import BadSetting, HeatlensError
from helpers.networks import torchvision_model


class TwoViews(nn.Module):
    """One trunk on two pictures, as in Siamese networks."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(16, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        seen = [self.trunk(left).mean((2, 3)), self.trunk(right).square().mean((2, 3))]
        scores: Tensor = self.fc(torch.cat(seen, 1))
        return scores


torch.manual_seed(0)
NET = TwoViews().eval()
LEFT, RIGHT = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)


def by_hand(view: int, target: int = 1) -> Tensor:
    """HiResCAM: gradient times activation, summed over the channels, of one run of the trunk."""
    stacks = [NET.trunk(x).detach() for x in (LEFT, RIGHT)]
    weights = NET.fc.weight[target].reshape(2, 8)[view][None, :, None, None] / 64
    slope = weights if view == 0 else weights * 2 * stacks[1]
    return (slope * stacks[view]).sum(1).detach()


def maps(layers: Any, method: Any = "hires_cam", **options: Any) -> Any:
    return heatlens.attribute(NET, LEFT, RIGHT, target=1, layers=layers, method=method, upsample=False, **options)


@pytest.mark.parametrize("layers", ["trunk", "trunk.0", NET.trunk, 0, None])
def test_which_run_is_meant_is_asked(layers: Any) -> None:
    with pytest.raises(BadSetting, match="runs twice in one pass") as refused:
        maps(layers)
    said = str(refused.value)
    assert "@0 or trunk" in said
    assert "@all" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("view", [0, 1])
def test_each_run_has_its_own_map(view: int) -> None:
    torch.testing.assert_close(maps(f"trunk@{view}"), by_hand(view), rtol=1e-4, atol=1e-6)


def test_all_runs_at_once() -> None:
    both = maps("trunk@all", fuse=None)
    assert list(both) == ["trunk@0", "trunk@1"]
    for view, found in enumerate(both.values()):
        torch.testing.assert_close(found, by_hand(view), rtol=1e-4, atol=1e-6)


def test_frozen_weights_change_nothing() -> None:
    frozen = TwoViews().eval().requires_grad_(False)
    frozen.load_state_dict(NET.state_dict())
    for view in (0, 1):
        found = heatlens.attribute(
            frozen, LEFT, RIGHT, target=1, layers=f"trunk@{view}", method="hires_cam", upsample=False
        )
        torch.testing.assert_close(found, by_hand(view), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("view", [0, 1])
def test_a_run_is_replayed_by_itself(view: int) -> None:
    """Ablation-CAM silences one channel of one run: (y - y_k) / y weighs channel k."""
    stacks = [NET.trunk(x).detach() for x in (LEFT, RIGHT)]

    def score(changed: Tensor) -> Tensor:
        seen = [changed if v == view else stacks[v] for v in (0, 1)]
        return NET.fc(torch.cat([seen[0].mean((2, 3)), seen[1].square().mean((2, 3))], 1))[:, 1].detach()

    whole = score(stacks[view])
    expected = torch.zeros(2, 8, 8)
    for channel in range(8):
        without = stacks[view].clone()
        without[:, channel] = 0
        weight = (whole - score(without)) / whole
        expected += weight[:, None, None] * stacks[view][:, channel]
    found = maps(f"trunk@{view}", "ablation_cam")
    torch.testing.assert_close(found, expected.clamp(min=0), rtol=1e-3, atol=1e-5)


def test_a_run_that_there_is_not() -> None:
    with pytest.raises(BadSetting, match=r"'trunk@2', which TwoViews runs twice .* trunk@0 or trunk@1"):
        maps("trunk@2")
    with pytest.raises(HeatlensError, match=r"no layer 'trunkk'\. Close: trunk"):
        maps("trunkk@0")


def test_a_layer_that_runs_once_has_one_run() -> None:
    net, images = torchvision_model("resnet18")
    ask: dict[str, Any] = {"target": 2, "method": "grad_cam", "upsample": False}
    once = heatlens.attribute(net, images, layers="layer4@0", **ask)
    assert torch.equal(once, heatlens.attribute(net, images, layers="layer4", **ask))


def test_a_block_s_relu_is_asked_about_and_its_last_run_is_the_block() -> None:
    net, images = torchvision_model("resnet18")
    ask: dict[str, Any] = {"target": 2, "method": "hires_cam", "upsample": False}
    with pytest.raises(BadSetting, match=r"layer4\.1\.relu@0 or layer4\.1\.relu@1"):
        heatlens.attribute(net, images, layers=net.layer4[1].relu, **ask)
    last = heatlens.attribute(net, images, layers="layer4.1.relu@1", **ask)
    torch.testing.assert_close(last, heatlens.attribute(net, images, layers="layer4.1", **ask))


class Loop(nn.Module):
    """Frames one after the other through one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def forward(self, clip: Tensor) -> Tensor:
        seen = [self.trunk(clip[:, t]).mean((2, 3)) * (t + 1) for t in range(clip.shape[1])]
        scores: Tensor = self.fc(torch.stack(seen).sum(0))
        return scores


def test_a_loop_over_frames() -> None:
    torch.manual_seed(0)
    net, clips = Loop().eval(), torch.rand(2, 5, 3, 8, 8)
    with pytest.raises(BadSetting, match=r"runs 5 times in one pass\. Expected one of its runs, trunk@0 to trunk@4"):
        heatlens.attribute(net, clips, target=1, layers="trunk")
    found = heatlens.attribute(net, clips, target=1, layers="trunk@all", fuse=None, method="hires_cam", upsample=False)
    for t, one in enumerate(found.values()):
        A = net.trunk(clips[:, t]).detach()
        expected = (A * net.fc.weight[1][None, :, None, None]).sum(1) * (t + 1) / 16
        torch.testing.assert_close(one, expected.detach(), rtol=1e-4, atol=1e-6)


def test_the_list_says_how_often_a_layer_runs() -> None:
    subject = heatlens.load(NET)
    listed = {layer.name: layer.calls for layer in list_layers(NET, (LEFT, RIGHT), {}, subject.reading)}
    assert listed == {"trunk.0": 2, "trunk.1": 2, "trunk": 2, "fc": 1}


def test_methods_meant_for_every_convolution_take_each_run() -> None:
    found = heatlens.attribute(NET, LEFT, RIGHT, target=1, method="zoom_cam", fuse=None, upsample=False)
    assert list(found) == ["trunk.0@0", "trunk.0@1"]
