"""What a user writes, for type checkers: never run, and read by mypy and pyright in test_typed.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import heatlens
from heatlens import Description, Explanation, FailedPhoto, Recipe, Subject


def one_photo(model: nn.Module, pixels: NDArray[np.uint8]) -> None:
    assert_type(heatlens.explain(model, "cat.jpg"), Explanation)
    assert_type(heatlens.explain("bundled", Path("cat.jpg"), method="layer_cam", target="cat"), Explanation)
    assert_type(
        heatlens.explain(model, Image.new("RGB", (4, 4)), layers=["layer3", "layer4"], fuse="mean"), Explanation
    )
    assert_type(heatlens.explain(model, pixels, target=3, average="flips", settings={"power": 1.0}), Explanation)
    assert_type(heatlens.explain(model, "cat.jpg").map, NDArray[np.float32])


def several(subject: Subject, photos: Iterator[str]) -> None:
    assert_type(heatlens.explain(subject, "cat.jpg", method=["grad_cam", Recipe("layer_cam")]), list[Explanation])
    assert_type(heatlens.explain(subject, "cat.jpg", target=["cat", "dog"]), list[Explanation])
    assert_type(heatlens.explain(subject, "cat.jpg", layers="all", fuse=None), list[Explanation])
    found = heatlens.explain(subject, ["cat.jpg", torch.rand(3, 8, 8)])
    assert_type(found, list[Explanation | FailedPhoto])
    assert_type([one.peak for one in found if isinstance(one, Explanation)], list[tuple[int, int]])
    assert_type(heatlens.explain(subject, (name for name in photos)), list[Explanation | FailedPhoto])


def my_method(activations: Tensor, gradients: Tensor, *, power: float = 0.5) -> Tensor:
    return (activations * gradients.abs() ** power).sum(1)


def tensors(model: nn.Module, images: Tensor) -> None:
    assert_type(heatlens.attribute(model, images), Tensor)
    assert_type(heatlens.attribute(model, images, method=my_method, target=lambda out: out[:, 0]), Tensor)
    assert_type(heatlens.attribute(model, images, method=["grad_cam", my_method], target=[1, 2]), dict[str, Tensor])
    assert_type(heatlens.attribute(model, images, layers=["a", "b"], fuse=None), dict[str, Tensor])


def my_metric(heat: Tensor, *, share: float = 0.5) -> Tensor:
    return (heat > share).float().flatten(1).mean(1)


def numbers(model: nn.Module) -> None:
    assert_type(heatlens.measure(model, "cat.jpg"), dict[str, float | list[float]])
    assert_type(heatlens.measure(model, "cat.jpg", my_metric), dict[str, float | list[float]])
    found = heatlens.measure(model, ["cat.jpg"], ["deletion:step=448", my_metric], truths=[heatlens.Truth(3)])
    assert_type(found, list[dict[str, float | list[float]] | FailedPhoto])


def others(model: nn.Module) -> None:
    assert_type(heatlens.load(model, mean=0.5, std=0.5), Subject)
    assert_type(heatlens.describe(model, "cat.jpg", top=3), Description)
    assert_type(heatlens.describe(model, ["cat.jpg"]), list[Description | FailedPhoto])
    assert_type(heatlens.methods(), list[str])
    assert_type(heatlens.elbow(model, "cat.jpg").groups, int)
    assert_type(heatlens.cam_head(model, ["cat", "dog"]), nn.Module)
    assert_type(heatlens.explain(model, "cat.jpg").save("cat.png"), Path)
    composed = heatlens.compose(weight="gradient")
    assert_type(heatlens.explain(model, "cat.jpg", method=composed), Explanation)


def what_is_refused(model: nn.Module) -> None:
    heatlens.explain(model, "cat.jpg", mehtod="grad_cam")  # type: ignore[call-overload]  # pyright: ignore
    heatlens.explain(model, 3)  # type: ignore[call-overload]  # pyright: ignore
    heatlens.measure(model, "cat.jpg", batch_size="8")  # type: ignore[call-overload]  # pyright: ignore
