"""Networks of one channel see photos in grey: what the network is shown is the grey picture, normalised."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet18

import heatlens
from heatlens.words.errors import BadValue
from helpers.networks import lively

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
MEAN, STD = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3


def xray() -> nn.Module:
    torch.manual_seed(0)
    net = resnet18(num_classes=2)
    net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return lively(net, torch.rand(2, 1, 64, 64))


def shown(mean: float, std: float) -> Tensor:
    return ((torch.from_numpy(PIXELS).float() / 255 - mean) / std)[None, None]


@pytest.mark.parametrize(
    ("how", "mean", "std"),
    [
        ({}, MEAN, STD),
        ({"mean": 0.5, "std": 0.25}, 0.5, 0.25),
        ({"mean": (0.5,), "std": [0.25]}, 0.5, 0.25),
        ({"channels": "L"}, MEAN, STD),
    ],
)
def test_what_the_network_is_shown(how: dict[str, Any], mean: float, std: float) -> None:
    net = xray()
    subject = heatlens.load(net, size=64, **how)
    answer = heatlens.explain(subject, PIXELS, target=1, layers="layer4", method="hires_cam")
    assert answer.score == pytest.approx(float(net(shown(mean, std))[0, 1]), abs=1e-4)
    by_hand = heatlens.attribute(net, shown(mean, std), target=1, layers="layer4", method="hires_cam", upsample=False)
    torch.testing.assert_close(torch.from_numpy(answer.raw), by_hand[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_files_of_8_and_of_16_bits(bits: int, tmp_path: Path) -> None:
    net, path = xray(), tmp_path / "xray.png"
    array = PIXELS if bits == 8 else PIXELS.astype(np.uint16) * 257
    Image.fromarray(array).save(path)
    answer = heatlens.explain(heatlens.load(net, size=64), str(path), target=1)
    assert answer.score == pytest.approx(float(net(shown(MEAN, STD))[0, 1]), abs=1e-4)
    assert answer.map.shape == (64, 64)


def test_photos_in_colour_are_made_grey() -> None:
    net = xray()
    colours = np.stack([PIXELS, PIXELS.T, PIXELS[::-1]], 2)
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    subject = heatlens.load(net, size=64)
    scores = [heatlens.explain(subject, photo, target=1).score for photo in (colours, grey)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_timm_builds_networks_of_one_channel() -> None:
    pytest.importorskip("timm")
    subject = heatlens.load("timm/resnet18", weights="none", in_chans=1, size=64)
    assert subject.preprocessing.channels == "L"
    assert subject.preprocessing.mean == pytest.approx((MEAN,))
    assert heatlens.explain(subject, PIXELS, target=3).map.shape == (64, 64)


def test_transformers_of_one_channel() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        image_size=64, patch_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_channels=1,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    assert heatlens.explain(model, PIXELS, target=1).map.shape == (64, 64)


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadValue, match="do not fit"):
        heatlens.load(xray(), mean=(0.2, 0.4, 0.6), std=0.25)
    with pytest.raises(BadValue, match="do not fit"):
        heatlens.load(resnet18(), mean=(0.5, 0.5))
    assert heatlens.load(resnet18(), mean=(0.5,), std=(0.25,)).preprocessing.mean == (0.5,) * 3
