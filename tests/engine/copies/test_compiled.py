"""Compiled copies: the same maps, kept while the weights stay, and never in the way."""

from functools import partial

import pytest
import torch
from torch import nn

import heatlens
from heatlens.engine.copies.compiled import _KEPT


class Small(nn.Sequential):
    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.append(nn.Linear(6, 4))


def probed(model: nn.Module, **options: object) -> torch.Tensor:
    images = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    maps: torch.Tensor = heatlens.attribute(model, images, method="score_cam", layers="2", target=1, **options)
    return maps


def test_a_compiled_copy_gives_the_same_map_and_is_kept() -> None:
    model = Small().eval()
    torch.testing.assert_close(probed(model, compile=True), probed(model), rtol=1e-4, atol=1e-5)
    kept = _KEPT[model]
    probed(model, compile=True)
    assert _KEPT[model] is kept


def test_changed_weights_are_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = Small().eval()
    probed(model, compile=True)
    with torch.no_grad():
        model[0].weight.mul_(-1)
    torch.testing.assert_close(probed(model, compile=True), probed(model), rtol=1e-4, atol=1e-5)


def test_where_nothing_can_be_compiled_the_map_is_the_same_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(model: nn.Module) -> nn.Module:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    model = Small().eval()
    photo = torch.rand(3, 12, 12)
    found = heatlens.explain(heatlens.load(model, size=12), photo, method="score_cam", layers="2", compile=True)
    assert "the model could not be compiled: no C++ compiler" in found.warnings


def test_a_network_of_half_precision_is_probed_under_autocast() -> None:
    model = Small().eval()
    exact = probed(model)
    images = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)).bfloat16()
    asked = {"method": "score_cam", "layers": "2", "target": 1}
    found = heatlens.attribute(model.bfloat16(), images, precision="bf16", **asked)
    assert float(torch.nn.functional.cosine_similarity(found.flatten(), exact.flatten(), 0)) > 0.99
