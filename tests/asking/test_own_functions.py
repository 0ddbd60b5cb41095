"""Functions of a person's own are looked at when they come back: one line says what is wrong with them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.images import Preprocessing
from heatlens.models import Subject
from heatlens.words.errors import BadValue

PHOTO = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)


@pytest.fixture
def subject() -> Subject:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    return Subject("mine", model, Preprocessing((16, 16)), layers=("1",))


def as_numpy(activations: Tensor) -> Any:
    return activations.sum(1).detach().numpy()


def one_map(activations: Tensor) -> Tensor:
    return activations.sum((0, 1))


def a_number_each(activations: Tensor) -> Tensor:
    return activations.flatten(1).sum(1)


def whole_numbers(activations: Tensor) -> Tensor:
    return activations.sum(1).long()


def nothing(activations: Tensor) -> Any:
    return None


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (
            as_numpy,
            "as_numpy returned a ndarray. Expected a tensor of floats (n, *space). Return torch.from_numpy(…) of it",
        ),
        (one_map, "the method one_map returned (14, 14) for 2 images. Expected maps (2, *space)"),
        (a_number_each, "the method a_number_each returned (2,) for 2 images. Expected maps (2, *space)"),
        (whole_numbers, "the method whole_numbers returned torch.int64. Expected a tensor of floats (n, *space)"),
        (nothing, "the method nothing returned a NoneType. Expected a tensor of floats (n, *space)"),
    ],
)
def test_a_method_that_returns_no_maps(subject: Subject, method: Callable[..., Any], said: str) -> None:
    with pytest.raises(BadValue) as caught:
        heatlens.attribute(subject, torch.rand(2, 3, 16, 16), method=method)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def half_of_the_first(activations: Tensor, score_with: Callable[..., Tensor]) -> Tensor:
    """Knows nothing of several images: what it varies is the first of the stack."""
    places = activations.shape[2:].numel()

    def vary(stack: Tensor, k: Tensor) -> Tensor:
        keep = (k[:, None] != torch.arange(places)).to(stack).reshape(len(k), 1, *stack.shape[2:])
        return stack[0][None] * keep

    return score_with(vary, places).reshape(len(activations), *activations.shape[2:])


def test_an_undeclared_method_varies_one_image_at_a_time(subject: Subject) -> None:
    images = torch.rand(3, 3, 16, 16)
    together = heatlens.attribute(subject, images, method=half_of_the_first, target=1, upsample=False)
    alone = [
        heatlens.attribute(subject, image[None], method=half_of_the_first, target=1, upsample=False) for image in images
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def in_words(heat: Tensor) -> Any:
    return "good"


def for_all(heat: Tensor) -> Tensor:
    return heat.mean()


def asks_too_much(heat: Tensor, weather: Any) -> Tensor:
    return heat.flatten(1).mean(1)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (in_words, "the metric in_words returned a str. Expected a tensor (n,) or (n, k)"),
        (for_all, "for_all returned () for 1 images. Expected (n,) or (n, k)"),
        (asks_too_much, "the metric asks_too_much asks for weather. Expected some of heat, attribution"),
        (3, "the metric 3. Expected a metric's name or a function"),
    ],
)
def test_a_metric_that_returns_no_numbers(subject: Subject, metric: Any, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        heatlens.measure(subject, PHOTO, metric)
    assert said in str(caught.value)


def warmth(heat: Tensor, *, scale: float = 1.0) -> Tensor:
    return heat.flatten(1).mean(1) * scale


def warmth_in_numpy(heat: Tensor) -> Any:
    return heat.flatten(1).mean(1).numpy()


def test_a_metric_of_ones_own(subject: Subject) -> None:
    found = heatlens.measure(subject, PHOTO, [warmth, warmth_in_numpy])
    maps = heatlens.attribute(subject, subject.prepare(heatlens.images.read_photo(PHOTO))[0]).clamp(min=0)
    assert found["warmth"] == pytest.approx(float(maps.mean() / maps.max()), abs=1e-5)
    assert found["warmth_in_numpy"] == found["warmth"]


@pytest.mark.parametrize(
    ("fusion", "said"),
    [
        (lambda maps: maps, "returned a list. Expected a tensor of maps like (2, 16, 16)"),
        (lambda maps: maps[0][0], "returned (16, 16). Expected a tensor of maps like (2, 16, 16)"),
    ],
)
def test_a_fusion_that_returns_no_maps(subject: Subject, fusion: Callable[..., Any], said: str) -> None:
    with pytest.raises(BadValue) as caught:
        heatlens.attribute(subject, torch.rand(2, 3, 16, 16), layers=["0", "1"], fuse=fusion)
    assert said in str(caught.value)
