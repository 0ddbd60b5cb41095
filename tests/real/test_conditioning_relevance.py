"""Relevance on trained networks: maps hold still, are the same in float64, and point at the object."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import heatlens
from heatlens.images import read_photo

Asked = tuple[str, str, dict[str, Any]]
HELD: list[Asked] = [
    ("deit", "attn_lrp", {}),
    ("deit", "attn_lrp", {"rule": "cp_lrp"}),
    ("deit", "transformer_attribution", {}),
    ("mobilenet", "attn_lrp", {}),
    ("mobilenet", "relevance_cam", {}),
    ("mobilenet", "lift_cam", {}),
    ("mobilenet", "guided_backprop", {}),
    ("mobilenet", "guided_grad_cam", {}),
    ("squeezenet", "attn_lrp", {}),
    ("squeezenet", "relevance_cam", {}),
    ("squeezenet", "lift_cam", {}),
]
UNSTEADY: list[Asked] = [
    ("deit", "transformer_attribution", {"rule": "paper"}),
    ("deit", "attn_lrp", {"gamma": 0.0, "conv_gamma": 0.0}),
    ("deit", "attn_lrp", {"rule": "libra"}),
    ("squeezenet", "guided_backprop", {}),
    ("squeezenet", "guided_grad_cam", {}),
]
"""What does not hold still on all photos, and says so."""
DEEP = [("mobilenet", "relevance_cam", "features.7"), ("mobilenet", "lift_cam", "features.7"),
        ("squeezenet", "relevance_cam", "features.5"), ("squeezenet", "lift_cam", "features.5")]  # fmt: skip


@pytest.fixture(scope="module")
def subjects(data: Any) -> dict[str, heatlens.Subject]:
    return {
        "deit": heatlens.load(
            "timm/deit_tiny_patch16_224", weights=data.weights("deit_tiny_patch16_224"), resize="squash"
        ),
        "mobilenet": heatlens.load(
            "torchvision/mobilenet_v2", weights=data.weights("torchvision_mobilenet_v2"), mean=0.5, std=0.5,
            resize="squash",
        ),
        "squeezenet": heatlens.load(
            "torchvision/squeezenet1_1", weights=data.weights("squeezenet1_1_gluon_fp32"), resize="squash"
        ),
    }  # fmt: skip


Maps = Callable[..., Tensor]


@pytest.fixture(scope="module")
def maps(subjects: dict[str, heatlens.Subject], data: Any) -> Maps:
    """Of six photos of different difficulty, plain, under noise of a thousandth of their range, or in another type."""
    names = [*list(data.objects())[60::160], *data.hard()[:2]]
    classes = [data.objects()[name][0] for name in names]

    def made(asked: Asked, noise: float = 0.0, kind: torch.dtype = torch.float32, layers: str | None = None) -> Tensor:
        network, method, settings = asked
        subject = subjects[network]
        images = torch.cat([subject.prepare(read_photo(data.photo(name)))[0] for name in names])
        spread = images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True)
        drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        if kind != torch.float32:
            subject = replace(subject, model=deepcopy(subject.model).to(kind), _found={})
        shown = (images + noise * spread * drawn).to(kind)
        options = {"target": classes, "settings": settings, "layers": layers, "upsample": False}
        return heatlens.attribute(subject, shown, method=method, **options).double().flatten(1)

    return made


def correlations(one: Tensor, other: Tensor) -> list[float]:
    return [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in zip(one, other, strict=True)]


@pytest.mark.parametrize("asked", HELD, ids=str)
def test_maps_hold_still_and_are_those_of_float64(maps: Maps, asked: Asked) -> None:
    plain = maps(asked)
    assert min(correlations(plain, maps(asked, noise=1e-3))) > 0.98
    exact = maps(asked, kind=torch.float64)
    assert ((plain - exact).norm(dim=1) < 0.02 * exact.norm(dim=1)).all()


@pytest.mark.parametrize(("network", "method", "layer"), DEEP)
def test_so_do_maps_of_layers_in_the_middle(maps: Maps, network: str, method: str, layer: str) -> None:
    plain = maps((network, method, {}), layers=layer)
    assert min(correlations(plain, maps((network, method, {}), noise=1e-3, layers=layer))) > 0.98


@pytest.mark.parametrize("asked", UNSTEADY, ids=str)
def test_what_does_not_hold_still_says_so(
    maps: Maps, subjects: dict[str, heatlens.Subject], data: Any, asked: Asked
) -> None:
    network, method, settings = asked
    found = heatlens.explain(subjects[network], data.photo(data.hard()[0]), method=method, settings=settings)
    assert any(warning.startswith(f"{method}: ") for warning in found.warnings), found.warnings
    plain, exact = maps(asked), maps(asked, kind=torch.float64)
    assert min(correlations(plain, maps(asked, noise=1e-3))) > 0.5, "not noise either"
    assert ((plain - exact).norm(dim=1) < 0.02 * exact.norm(dim=1)).all()


@pytest.mark.parametrize("asked", [asked for asked in HELD if asked[0] != "squeezenet"], ids=str)
def test_half_precision_shows_the_same(maps: Maps, asked: Asked) -> None:
    assert min(correlations(maps(asked), maps(asked, kind=torch.bfloat16))) > 0.93


@pytest.mark.parametrize(
    ("network", "method"), [("deit", "attn_lrp"), ("deit", "transformer_attribution"), ("mobilenet", "attn_lrp")]
)
def test_maps_point_at_objects_away_from_the_centre(
    subjects: dict[str, heatlens.Subject], data: Any, network: str, method: str
) -> None:
    known, names = data.objects(), data.hard()[:20]
    hits = centre = 0
    for name in names:
        index, boxes = known[name]
        found = heatlens.explain(subjects[network], data.photo(name), method=method, target=index)
        hits += data.on_object(found.peak, boxes)
        centre += data.on_object((227 / 2, 227 / 2), boxes)
    assert centre <= 2
    assert hits >= 9, f"{hits} of {len(names)}"
