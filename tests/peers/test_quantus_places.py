"""Localisation metrics equal Quantus's, where it follows the definitions: no tolerance in its pointing game."""

from typing import Any

import numpy as np
import pytest
import quantus
import torch

from heatlens.metrics.contents import find_metric

COUNT, SIDE = 24, 20


class Mean(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


@pytest.fixture(scope="module")
def scene() -> tuple[Any, Any, list[torch.Tensor]]:
    """Maps, masks of boxes, the boxes."""
    random = np.random.default_rng(0)
    maps, masks = random.random((COUNT, 1, SIDE, SIDE)).astype(np.float32), np.zeros((COUNT, 1, SIDE, SIDE), bool)
    boxes = []
    for mask in masks:
        x, y = random.integers(0, 8, 2)
        mask[0, y : y + 9, x : x + 12] = True
        boxes.append(torch.tensor([[x, y, x + 12, y + 9]], dtype=torch.float64))
    return maps, masks, boxes


def by_quantus(metric: Any, maps: Any, masks: Any) -> list[float]:
    made = metric(disable_warnings=True, display_progressbar=False)
    labels = np.zeros(COUNT, int)
    found = made(model=Mean(), x_batch=maps, y_batch=labels, a_batch=maps, s_batch=masks, device="cpu")
    return [float(value) for value in found]


def test_pointing_without_tolerance(scene: Any) -> None:
    maps, masks, boxes = scene
    unknown = torch.full((COUNT, SIDE, SIDE), 255, dtype=torch.uint8)
    found = find_metric("pointing_game").function(torch.tensor(maps[:, 0]), boxes, unknown, tolerance=0)
    expected = by_quantus(quantus.PointingGame, maps, masks)
    assert found.tolist() == expected
    assert 0 < sum(expected) < COUNT


def test_energy_in_a_box_is_the_relevance_mass(scene: Any) -> None:
    maps, masks, boxes = scene
    found = find_metric("energy_in_box").function(torch.tensor(maps[:, 0]), boxes)
    assert found.tolist() == pytest.approx(by_quantus(quantus.RelevanceMassAccuracy, maps, masks), abs=1e-6)
