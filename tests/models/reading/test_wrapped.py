"""Whole models with several inputs and outputs, keywords, series and volumes, in wrappers and other precisions."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.models.reading.layouts import Reading, Tokens
from heatlens.words.errors import BadValue
from helpers.networks import Gap, lively


def by_hand(layer: nn.Module, run: Any, score: Any) -> Tensor:
    """HiResCAM of a layer by torch's own hooks and autograd."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda m, a, out: seen.append(out))
    outputs = run()
    handle.remove()
    return (seen[0] * torch.autograd.grad(score(outputs), seen[0])[0]).sum(1)


class Patient(nn.Module):
    """Facts (n, 2) first, then a picture; scores and an estimate come out, in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 5, 3, padding=1)
        self.facts = nn.Linear(2, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, facts: Tensor, scan: Tensor | None = None, *, scale: float = 1.0) -> dict[str, Tensor]:
        seen = self.body(scan).relu().mean((2, 3)) * self.facts(facts) * scale
        return {"estimate": seen.sum(1), "logits": self.head(seen)}


def test_the_picture_is_found_behind_other_inputs() -> None:
    torch.manual_seed(0)
    model, facts, scan = Patient().eval(), torch.randn(2, 2), torch.randn(2, 1, 6, 9)
    expected = by_hand(model.body, lambda: model(facts, scan, scale=2.0), lambda out: out["logits"][:, 1].sum())
    ask: dict[str, Any] = {"method": "hires_cam", "target": 1, "upsample": False, "scale": 2.0}
    found = heatlens.attribute(model, facts, scan, **ask)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(heatlens.attribute(model, facts, scan=scan, **ask), expected)
    torch.testing.assert_close(heatlens.attribute(model, facts=facts, scan=scan, **ask), expected)
    assert heatlens.attribute(model, facts, scan, method="ablation_cam", target=1).shape == (2, 6, 9)


def test_any_of_several_outputs_is_a_target() -> None:
    torch.manual_seed(0)
    model, facts, scan = Patient().eval(), torch.randn(2, 2), torch.randn(2, 1, 6, 9)
    expected = by_hand(model.body, lambda: model(facts, scan), lambda out: out["estimate"].sum())
    found = heatlens.attribute(
        model, facts, scan, method="hires_cam", target=lambda out: out["estimate"], layers="body", upsample=False
    )
    torch.testing.assert_close(found, expected)


class FromDict(nn.Module):
    """One dict in, a tuple out."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Gap()

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.net(batch["image"]) * batch["weight"], batch["weight"]


def test_a_dict_of_inputs_and_a_tuple_of_outputs() -> None:
    torch.manual_seed(0)
    model, batch = FromDict().eval(), {"weight": torch.rand(2, 1) + 1, "image": torch.randn(2, 3, 8, 10)}
    expected = by_hand(model.net.body, lambda: model(batch), lambda out: out[0][:, 2].sum())
    ask: dict[str, Any] = {"layers": "net.body", "target": 2, "upsample": False}
    with pytest.raises(BadValue, match=r"2 tensors: 0 \(2, 4\), 1 \(2, 1\)"):
        heatlens.attribute(model, batch, method="hires_cam", **ask)
    subject = heatlens.load(model, output=0)
    torch.testing.assert_close(heatlens.attribute(subject, batch, method="hires_cam", **ask), expected)
    assert heatlens.attribute(subject, batch, method="recipro_cam", **ask).shape == expected.shape


def series() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 6, 5, padding=2), nn.ReLU(), nn.AvgPool1d(2), nn.Conv1d(6, 8, 3, padding=1),
                          nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3))  # fmt: skip
    return model.eval(), torch.randn(2, 2, 40)


def volume() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(6, 8, 3, padding=1),
                          nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 3))  # fmt: skip
    return model.eval(), torch.randn(2, 1, 6, 8, 10)


@pytest.mark.parametrize(("make", "size"), [(series, (20,)), (volume, (3, 4, 5))])
def test_series_and_volumes(make: Any, size: tuple[int, ...]) -> None:
    model, inputs = make()
    assert heatlens.load(model).default_layers(inputs) == ("3",)
    expected = by_hand(model[3], lambda: model(inputs), lambda out: out[:, 1].sum())
    found = heatlens.attribute(model, inputs, method="hires_cam", target=1, upsample=False)
    assert found.shape == (2, *size)
    torch.testing.assert_close(found, expected)
    for method in ("grad_cam", "layer_cam", "score_cam", "ablation_cam", "recipro_cam", "odam"):
        assert heatlens.attribute(model, inputs, method=method, target=1).shape == (2, *inputs.shape[2:])


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrapped_models_are_the_models_inside(wrap: Any) -> None:
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.randn(2, 3, 8, 10)
    expected = heatlens.attribute(model, images, layers="body", target=1)
    torch.testing.assert_close(heatlens.attribute(wrap(model), images, layers="body", target=1), expected)


@pytest.mark.parametrize(("dtype", "close"), [(torch.bfloat16, 0.05), (torch.float16, 0.02), (torch.float64, 1e-5)])
def test_other_precisions_give_the_same_map(dtype: torch.dtype, close: float) -> None:
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.randn(2, 3, 8, 10)
    expected = heatlens.attribute(model, images, layers="body", target=1)
    found = heatlens.attribute(model.to(dtype), images, layers="body", target=1)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert float((found - expected).abs().max()) < close * float(expected.max())


# tokens that nobody declared


class Registers(nn.Module):
    """A small transformer with prefix tokens and no word about them."""

    def __init__(self, prefix: int, patch: int = 4) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, 16, patch, patch) if patch > 3 else nn.Sequential(nn.Conv2d(3, 16, 3, 4, 1))
        self.extra = nn.Parameter(torch.randn(1, prefix, 16))
        self.norm = nn.LayerNorm(16)
        self.mix = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.cut(x).flatten(2).mT
        tokens = torch.cat([self.extra.expand(len(x), -1, -1), tokens], 1)
        seen = self.norm(tokens)
        return self.head((tokens + self.mix(seen, seen, seen)[0]).mean(1))


@pytest.mark.parametrize(("prefix", "patch", "said"), [(1, 4, False), (5, 4, True), (1, 3, True), (0, 3, False)])
def test_guessed_prefix_tokens_are_said(prefix: int, patch: int, said: bool) -> None:
    torch.manual_seed(0)
    model, photo = Registers(prefix, patch), torch.rand(1, 3, 32, 32)
    subject = heatlens.load(lively(model, photo), size=32, mean=0.5, std=0.5)
    from PIL import Image

    found = heatlens.explain(subject, Image.new("RGB", (40, 40), "red"), layers="norm")
    words = f"{prefix} of the tokens of layer 'norm' were taken for no patches; prefix_tokens={prefix} confirms it"
    assert (words in found.warnings) == said
    sure = heatlens.explain(subject.overridden(prefix_tokens=prefix), Image.new("RGB", (40, 40), "red"), layers="norm")
    assert not any("patches" in warning for warning in sure.warnings)
    assert found.raw.shape == (8, 8)


def test_a_library_s_patches_make_the_prefix_sure() -> None:
    declared, measured = Reading(patch=(4, 4)), Reading(patch=(4, 4), measured=True)
    layouts = [reading.layout("x", (1, 69, 16), 1, (32, 32)) for reading in (declared, measured)]
    assert [isinstance(one, Tokens) and (one.prefix, one.guessed) for one in layouts] == [(5, False), (5, True)]
