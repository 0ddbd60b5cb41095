"""No map is numerical noise: on small networks of fixed weights every map holds still, or is named with the reason.

`tests/real/test_conditioning.py` asks the same of trained networks.
"""

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import skimage.data
import torch
from torch import Tensor

import heatlens
from heatlens.images import read_photo
from heatlens.methods.contents import METHODS
from heatlens.words.errors import BadValue, EvidenceMissing
from heatlens.words.signature import settings
from helpers.conditioning import CORRELATION, DOUBLE, SETTINGS, UNSTEADY, UNSTEADY_BEFORE_ATTENTION, steadiness
from helpers.networks import timm_model

heatlens.methods()  # fills the registry
NOT_THERE = (
    "runs no attention",
    "cam needs a head",
    "a rule for ReLUs",
    "has no rule for attention",
    "cannot be run on an input of shape",
)
"""What the one network or the other cannot give."""
SMALL: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 32, "stride": 16},
    "lime": {"samples": 100, "superpixels": 8},
    "tis": {"masks": 256},
}

FEW_CHANNELS = dict.fromkeys(
    ("is_cam", "poly_cam", "score_cam", "ss_cam", "g_score_cam", "fd_cam", "ablation_cam", "vit_cx"), "stem.2"
)
"""The layer of the bundled network for methods that show a picture a channel."""


@cache
def network(name: str) -> tuple[heatlens.Subject, Tensor, list[int]]:
    """The network that ships, or a small transformer of random weights, and two photos."""
    if name == "transformer":
        subject = heatlens.load(timm_model("vit_tiny_patch16_224", img_size=64, depth=4)[0], size=64)
    else:
        subject = heatlens.load("bundled")
    photos = [read_photo(shown()) for shown in (skimage.data.chelsea, skimage.data.coffee)]
    images = torch.cat([subject.prepare(photo)[0] for photo in photos])
    with torch.no_grad():
        classes = subject.model(images).argmax(1).tolist()
    return subject, images, classes


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *((method, "bundled") for method in sorted(METHODS) if method not in UNSTEADY),
        *((method, "transformer") for method in sorted(METHODS) if method not in UNSTEADY | UNSTEADY_BEFORE_ATTENTION),
    ],
)
def test_maps_hold_still(method: str, name: str) -> None:
    subject, images, classes = network(name)
    try:
        layer = FEW_CHANNELS.get(method) if name == "bundled" else None
        held, apart = steadiness(subject, images, method, classes, layer, **SMALL.get(method, {}))
    except (EvidenceMissing, BadValue) as error:
        if any(word in str(error) for word in NOT_THERE):
            return
        raise
    assert min(held) >= CORRELATION, held
    assert max(apart) <= DOUBLE, apart


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_does_not_hold_still_is_known_to_its_explanation(method: str) -> None:
    """A caution is declared by the methods that are named here, and by those whose settings bring it about."""

    class Layers:
        signed = True
        attends = True

    entry = METHODS[method]
    said = entry.caution(Layers(), settings(entry.function))
    assert bool(said) == (method in UNSTEADY | UNSTEADY_BEFORE_ATTENTION), said


QUICK: dict[str, dict[str, Any]] = {**SMALL, "opti_cam": {"steps": 2}, "lime": {"samples": 20, "superpixels": 8}}


@pytest.mark.parametrize("kind", ["autocast", "network"])
@pytest.mark.parametrize("name", ["bundled", "transformer"])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_runs_in_half_precision(method: str, name: str, kind: str) -> None:
    subject, images, classes = network(name)
    how: dict[str, Any] = {"precision": "bf16"} if kind == "autocast" else {}
    if kind == "network":
        subject, images = replace(subject, model=deepcopy(subject.model).bfloat16(), _found={}), images.bfloat16()
    layer = FEW_CHANNELS.get(method) if name == "bundled" else None
    chosen = {**SETTINGS.get(method, {}), **QUICK.get(method, {})}
    try:
        maps = heatlens.attribute(
            subject, images[:1], method=method, target=classes[:1], layers=layer, settings=chosen, upsample=False, **how
        )
    except (EvidenceMissing, BadValue) as error:
        if any(word in str(error) for word in NOT_THERE):
            return
        raise
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
