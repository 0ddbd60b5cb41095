"""Ultralytics' objects and modules, by stand-ins of their kinds: the package itself is not needed to be recognised."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens


class ClassificationModel(nn.Module):
    """Returns (probabilities, logits), as YOLOv8-cls does in eval mode."""

    __module__ = "ultralytics.nn.tasks"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU())
        self.linear = nn.Linear(8, 4)
        self.names = {0: "ant", 1: "bee", 2: "cat", 3: "dog"}

    def forward(self, x: Tensor) -> Any:
        z = self.linear(self.model(x).mean((2, 3)))
        return z if self.training else (z.softmax(1), z)


class Model(nn.Module):
    """What `YOLO(...)` is: a module that holds the network, and trains and predicts with it."""

    __module__ = "ultralytics.engine.model"

    def __init__(self) -> None:
        super().__init__()
        self.model = ClassificationModel()

    def __call__(self, *unused: Any) -> Any:
        raise AssertionError("its own predict is not asked")


IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layers", [None, "model"])
def test_the_object_is_explained_as_its_network(layers: Any) -> None:
    yolo = Model()
    A = yolo.model.model(IMAGES).detach()
    expected = (A * yolo.model.linear.weight[3].detach()[None, :, None, None]).sum(1) / 256
    for given in (yolo, yolo.model):
        found = heatlens.attribute(given, IMAGES, target=3, method="hires_cam", layers=layers, upsample=False)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_its_names_and_its_probability() -> None:
    yolo = Model()
    subject = heatlens.load(yolo, size=32)
    answer = heatlens.explain(subject, IMAGES[0])
    z = yolo.model.eval()(subject.prepare(answer.photo)[0])[1][0].detach()
    assert answer.name == yolo.model.names[int(z.argmax())]
    assert answer.probability == pytest.approx(float(z.softmax(0).max()), abs=1e-5)
    assert answer.score == pytest.approx(float(z.max()), abs=1e-5)
    assert heatlens.explain(subject, IMAGES[0], target="dog").index == 3
