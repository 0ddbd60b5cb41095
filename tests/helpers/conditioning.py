"""How still a map holds: what changes when the photo changes by a thousandth of its range, and in double precision."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import heatlens

NOISE = 1e-3
"""Of the range of the images: the standard deviation of what is added to every value."""
CORRELATION = 0.98
"""At least, between the maps before and after."""
DOUBLE = 0.02
"""At most, of the largest value: the distance of a map in single precision from that in double."""

EXCHANGES = "chooses between groups of channels, which a small change exchanges"
UNSTEADY = {
    **dict.fromkeys(("cluster_cam", "cosine_cam", "vit_cx"), EXCHANGES),
    **dict.fromkeys(("guided_backprop", "guided_grad_cam"), "is constant but for jumps where a rectifier switches"),
    "lime": "divides the photo into superpixels, whose borders a small change moves",
    "opti_cam": "ends a search of few steps elsewhere",
    "zoom_cam": "lets the slopes of the first convolutions, which switch with the least noise, count like any",
}
"""The methods that their own definition makes unsteady, wherever they are used; each explanation says so."""
UNSTEADY_BEFORE_ATTENTION = {
    "full_grad": "reads slopes at the image, which a transformer itself changes with the least noise",
    "xgrad_cam": "weighs signed channels by small differences",
    "odam": "mixes the slopes of neighbouring tokens, which are little alike",
}
"""Those that are unsteady in transformers."""

SETTINGS: dict[str, dict[str, Any]] = {
    # fewer pictures than by default, which change what is measured little and its time much
    "cameras": {"scales": 2, "largest": 1.5},
    "group_cam": {"groups": 8},
    "is_cam": {"steps": 1},
    "lime": {"samples": 60, "superpixels": 20},
    "occlusion": {"window": 64, "stride": 32},
    "rise": {"samples": 40},
    "smooth_full_grad": {"samples": 3},
    "ss_cam": {"samples": 1},
}


def perturbed(images: Tensor, seed: int = 0) -> Tensor:
    """The images under noise."""
    spread = images.amax() - images.amin()
    return images + NOISE * spread * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))


def in_double(subject: heatlens.Subject) -> heatlens.Subject:
    return replace(subject, model=deepcopy(subject.model).double(), _found={})


def correlations(before: Tensor, after: Tensor) -> list[float]:
    """Of each image's maps; 1 where both are the same constant."""
    found = []
    for a, b in zip(before.double().flatten(1), after.double().flatten(1), strict=True):
        a_rises, b_rises = a - a.mean(), b - b.mean()
        length = float(a_rises.norm() * b_rises.norm())
        found.append(float(a_rises @ b_rises) / length if length else float(torch.equal(a, b)))
    return found


def distances(single: Tensor, double: Tensor) -> list[float]:
    """Of each image's maps, as a share of the largest value."""
    pairs = zip(single.double(), double.double(), strict=True)
    return [float((a - b).abs().max() / b.abs().max().clamp(min=1e-300)) for a, b in pairs]


def steadiness(
    subject: heatlens.Subject,
    images: Tensor,
    method: str,
    classes: Sequence[int],
    layers: str | None = None,
    **settings: Any,
) -> tuple[list[float], list[float]]:
    """(correlations under noise, distances from double precision), each one per image."""
    asked: dict[str, Any] = {"method": method, "target": list(classes), "layers": layers, "upsample": False}
    asked["settings"] = {**SETTINGS.get(method, {}), **settings}
    single = heatlens.attribute(subject, images, **asked)
    noisy = heatlens.attribute(subject, perturbed(images), **asked)
    double = heatlens.attribute(in_double(subject), images.double(), **asked)
    return correlations(single, noisy), distances(single, double)
