"""No map is numerical noise: on trained networks and real photos every map holds still, or is named with the reason."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import heatlens
from heatlens.images import read_photo
from heatlens.methods.contents import METHODS
from heatlens.words.signature import needs
from helpers.conditioning import CORRELATION, DOUBLE, UNSTEADY, UNSTEADY_BEFORE_ATTENTION, steadiness

heatlens.methods()  # fills the registry
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "mobilenet": ("torchvision/mobilenet_v2", {"weights": "torchvision_mobilenet_v2", "mean": 0.5, "std": 0.5}),
    "mobilenet_timm": (
        "timm/mobilenetv2_100", {"weights": "mobilenetv2_100", "mean": 0.5, "std": 0.5, "pad_type": "same"}
    ),
    "squeezenet": ("torchvision/squeezenet1_1", {"weights": "squeezenet1_1_gluon_fp32"}),
    "deit": ("timm/deit_tiny_patch16_224", {"weights": "deit_tiny_patch16_224"}),
}  # fmt: skip
OF_ATTENTION = {name for name, entry in METHODS.items() if "attention" in needs(entry.function)}
OF_PICTURES = {name for name, entry in METHODS.items() if {"score_under", "perturbed"} & set(needs(entry.function))}
HUNDREDS = OF_PICTURES - {"integrad_cam", "integrated_grad_cam", "smooth_grad_cam_pp"} | {"tis", "fd_cam"}
ELSEWHERE = {"cam": {"deit"}, "relevance_cam": {"deit"}, "guided_backprop": {"deit"}, "guided_grad_cam": {"deit"}}
"""What a network cannot give."""


def asked() -> list[tuple[str, str]]:
    """Methods of few passes of every network that they are for; of the transformer alone those that show pictures.

    Those that show hundreds of pictures are asked of the network that ships, in `tests/laws`.
    """
    return [
        (method, network)
        for method in sorted(METHODS)
        if method not in UNSTEADY and method not in HUNDREDS
        for network in NETWORKS
        if network not in ELSEWHERE.get(method, set())
        if network == "deit" or method not in OF_ATTENTION | OF_PICTURES
    ]


Looking = Callable[[str], tuple[heatlens.Subject, Tensor, list[int]]]


@pytest.fixture(scope="module")
def looking(data: Any) -> Looking:
    known: dict[str, tuple[heatlens.Subject, Tensor, list[int]]] = {}

    def found(network: str) -> tuple[heatlens.Subject, Tensor, list[int]]:
        if network not in known:
            name, options = NETWORKS[network]
            options = {**options, "weights": data.weights(options["weights"]), "resize": "squash"}
            subject = heatlens.load(name, **options)
            photos = ["photos/both_dog_cat.png", list(data.objects())[7]]
            images = torch.cat([subject.prepare(read_photo(data.photo(photo)))[0] for photo in photos])
            with torch.no_grad():
                known[network] = subject, images, subject.model(images).argmax(1).tolist()
        return known[network]

    return found


@pytest.mark.parametrize(("method", "network"), asked(), ids=[" ".join(pair) for pair in asked()])
def test_maps_hold_still(looking: Looking, method: str, network: str) -> None:
    subject, images, classes = looking(network)
    many = method in OF_PICTURES
    held, apart = steadiness(subject, images[:1] if many else images, method, classes[:1] if many else classes)
    if not (network == "deit" and method in UNSTEADY_BEFORE_ATTENTION):
        assert min(held) >= CORRELATION, held
    assert max(apart) <= DOUBLE, apart


def test_an_explanation_that_does_not_hold_still_says_so(looking: Looking, data: Any) -> None:
    for network, method in (("squeezenet", "cosine_cam"), ("deit", "full_grad"), ("squeezenet", "zoom_cam")):
        found = heatlens.explain(looking(network)[0], data.photo("photos/both_dog_cat.png"), method=method)
        assert any(warning.startswith(f"{method}: ") for warning in found.warnings), found.warnings
