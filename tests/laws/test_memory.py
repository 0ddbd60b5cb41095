"""Memory that runs out: every method and metric goes on with fewer at a time, says so once, and gives the same."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.images import Preprocessing
from heatlens.methods.contents import METHODS
from heatlens.metrics.contents import METRICS
from heatlens.models import Subject
from heatlens.words.errors import HeatlensWarning, NotEnoughMemory
from heatlens.words.signature import needs

FITS = 2
"""So many images fit at once."""
_ATTENDS = {"attention", "attention_gradients"}
OF_TRANSFORMERS = {"vit_cx", "vit_recipro_cam"} | {n for n, e in METHODS.items() if _ATTENDS & set(needs(e.function))}
OF_PAIRS = {"lift_cam"}
"""Whose rule shows an image and its reference at once."""
QUICK: dict[str, dict[str, Any]] = {
    "rise": {"samples": 6},
    "lime": {"samples": 8},
    "ss_cam": {"samples": 2},
    "is_cam": {"samples": 2},
    "opti_cam": {"steps": 3},
    "smooth_full_grad": {"samples": 2},
}
SAYS = ("not enough memory: you tried to allocate 9 bytes", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class Narrow(nn.Module):
    """Through which only so many images go at once."""

    limit: int | None = None

    def __init__(self, says: str = SAYS[0]) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor) -> Tensor:
        if Narrow.limit is not None and len(x) > Narrow.limit:
            raise RuntimeError(self.says)
        return x


@contextmanager
def limited(limit: int = FITS) -> Iterator[None]:
    Narrow.limit = limit
    try:
        yield
    finally:
        Narrow.limit = None


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        Narrow(), nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), Narrow(), nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(), Narrow(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        timm = pytest.importorskip("timm")
        torch.manual_seed(0)
        self.narrow = Narrow()
        self.inner = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(self.narrow(x))
        return out


@pytest.mark.parametrize("fits", [2, 1])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_goes_on_with_fewer_images(method: str, fits: int) -> None:
    on_tokens = method in OF_TRANSFORMERS
    model = Transformer().eval() if on_tokens else network()
    layers = None if on_tokens else "6"
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    known = METHODS[method].function
    settings = {k: v for k, v in QUICK.get(method, {}).items() if k in (known.__kwdefaults__ or {})}
    ask: dict[str, Any] = {"method": method, "target": [0, 1, 2, 3, 0], "layers": layers, "settings": settings}
    expected = heatlens.attribute(model, images, **ask)
    with limited(fits), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if METHODS[method].joint:
            with pytest.raises(
                NotEnoughMemory, match="memory ran out for 5 images, which the method looks at together"
            ):
                heatlens.attribute(model, images, **ask)
            return
        if fits == 1 and method in OF_PAIRS:
            with pytest.raises(NotEnoughMemory, match="memory ran out for images, one at a time"):
                heatlens.attribute(model, images, **ask)
            return
        found = heatlens.attribute(model, images, **ask)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    told = [str(one.message) for one in said if one.category is HeatlensWarning]
    if "images" in needs(known) and len(needs(known)) == 1:
        return  # it shows the model nothing
    assert len(told) == 1, told
    assert "images: " in told[0]


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_goes_on_with_fewer_photos(metric: str) -> None:
    model = network()
    subject = Subject("mine", model, Preprocessing((32, 32)), layers=("6",))
    random = np.random.default_rng(0)
    photos = [(random.random((32, 32, 3)) * 255).astype(np.uint8) for _ in range(3)]
    truths = [heatlens.Truth(1, ((4.0, 4.0, 20.0, 24.0),)) for _ in photos]
    expected = heatlens.measure(subject, photos, metric, truths=truths, target=1)
    with limited(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = heatlens.measure(subject, photos, metric, truths=truths, target=1)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, dict)
        assert isinstance(other, dict)
        np.testing.assert_allclose(one[metric], other[metric], rtol=1e-4, atol=1e-4)
    assert len([one for one in said if one.category is HeatlensWarning and "memory ran out" in str(one.message)]) == 1


@pytest.mark.parametrize("says", SAYS)
def test_explanations_go_on_and_a_single_image_that_does_not_fit_is_one_line(says: str) -> None:
    model = network()
    model[0].says = says
    subject = Subject("mine", model, Preprocessing((32, 32)), layers=("6",))
    photos = [np.full((32, 32, 3), 40 * k, np.uint8) for k in range(5)]
    expected = heatlens.explain(subject, photos, target=1)
    with limited(), pytest.warns(HeatlensWarning, match="memory ran out; images: 2 at a time"):
        found = heatlens.explain(subject, photos, target=1)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, heatlens.Explanation)
        assert isinstance(other, heatlens.Explanation)
        np.testing.assert_allclose(one.raw, other.raw, atol=1e-5)
        assert one.predictions[0][1] == pytest.approx(other.predictions[0][1], abs=1e-6)
    with limited(0), pytest.raises(NotEnoughMemory, match="memory ran out for images, one at a time"):
        heatlens.explain(subject, photos[0], target=1)


def test_another_error_is_not_taken_for_memory() -> None:
    model = network()
    model[0].says = "size mismatch"
    with limited(), pytest.raises(heatlens.HeatlensError, match="size mismatch"):
        heatlens.attribute(model, torch.rand(3, 3, 32, 32), layers="6")
