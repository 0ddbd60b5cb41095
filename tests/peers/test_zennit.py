"""The gamma rule, by a library that carries relevance itself: layer after layer, divided by outputs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens

pytest.importorskip("zennit")


class Convolutional(nn.Module):
    """Inputs of both signs, biases, strides, a maximum, an average, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, groups=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@pytest.mark.parametrize(("gamma", "conv_gamma"), [(0.25, 1.0), (0.05, 100.0)])
def test_gamma_is_zennits(gamma: float, conv_gamma: float) -> None:
    from zennit.attribution import Gradient
    from zennit.composites import LayerMapComposite
    from zennit.rules import Gamma, Norm, Pass

    torch.manual_seed(0)
    model, images = Convolutional().double().eval(), torch.randn(3, 3, 12, 12, dtype=torch.float64)
    rules: list[tuple[Any, Any]] = [
        (nn.Conv2d, Gamma(conv_gamma, 1e-14)), (nn.Linear, Gamma(gamma, 1e-14)),
        (nn.ReLU, Pass()), (nn.AvgPool2d, Norm(1e-14)),
    ]  # fmt: skip
    with Gradient(model, LayerMapComposite(rules)) as attributor:
        _, relevance = attributor(images, lambda logits: logits * torch.eye(4).to(logits)[2])
    settings = {"gamma": gamma, "conv_gamma": conv_gamma}
    found = heatlens.attribute(model, images, method="attn_lrp", settings=settings, target=2)
    torch.testing.assert_close(found, relevance.sum(1).detach(), rtol=1e-7, atol=1e-12)
