"""A walk to one architecture: it is loaded, looked into and explained, and what was found becomes a row."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import heatlens
from heatlens.engine.forward.batching import takes_one
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.passes.scene import Options, Scene
from heatlens.engine.state.evaluating import evaluating
from helpers.networks import lively
from walk.case import Case
from walk.even import make_even

LIKE = 0.99
"""The least correlation of maps that are called the same."""


@dataclass(frozen=True)
class Row:
    """What a walk found."""

    case: Case
    layers: tuple[str, ...]
    maps: Tensor
    """Signed maps of an image and its mirror image, at the layer's size: HiResCAM's, else Recipro-CAM's."""
    first: Tensor
    """The same by the first method that works: Grad-CAM's, without gradients Recipro-CAM's."""
    weighed: Tensor
    """What Grad-CAM shows the positive part of; without gradients `first`."""
    gradients: bool
    steepest: float
    """The largest |dy/dA| at the layer; 0 without gradients."""
    way: str
    """How the network behind the layer is run again."""
    parameters: int
    ratio: float
    """The time of the first method that works over that of a plain forward pass."""

    @property
    def likeness(self) -> float:
        """The correlation of the mirrored map with the mirror image's map."""
        image, mirror = self.maps.double()
        return float(torch.corrcoef(torch.stack([image.flip(-1).flatten(), mirror.flatten()]))[0, 1])


def walk(case: Case, timed: bool = False) -> Row:
    """Load, settle random weights, explain an image and its mirror image by the default layer."""
    torch.manual_seed(0)
    subject, images = case.load(), pictures(case)
    if not case.settled:
        settle(subject.model, images, case)
    layers = subject.default_layers(images)
    gradients = subject.lacking is None or "gradients" in subject.lacking.gives
    methods = ["grad_cam", weighed, "hires_cam"] if gradients else ["recipro_cam"]
    found = heatlens.attribute(subject, images, method=methods, upsample=False)
    maps = list(found.values())
    return Row(
        case,
        layers,
        maps[-1],
        maps[0],
        maps[len(maps) // 2],
        gradients,
        max(steepest(subject, images, layer) for layer in layers) if gradients else 0.0,
        way(subject, images, layers[0]),
        sum(p.numel() for p in subject.model.parameters()),
        _ratio(subject, images[:1], methods[0]) if timed else 0.0,
    )


def weighed(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM before its ReLU: the sum over k of A_k and the mean of its gradient."""
    weights = gradients.flatten(2).mean(2)
    return torch.einsum("nc,nc...->n...", weights, activations)


def pictures(case: Case) -> Tensor:
    """A picture with things of several sizes, and the same in a mirror: (2, channels, *space)."""
    coarse, *finer = (torch.randn(1, 3, *[max(2, side // k) for side in case.space]) for k in (16, 8, 4))
    mode = "trilinear" if len(case.space) == 3 else "bilinear"
    seen = nn.functional.interpolate(coarse, case.space, mode=mode, align_corners=False)
    for part in finer:
        seen = seen + nn.functional.interpolate(part, case.space, mode=mode, align_corners=False)
    return torch.cat([seen, seen.flip(-1)]).sigmoid()


def settle(model: nn.Module, images: Tensor, case: Case) -> None:
    """Weights that let signals through and know no left and right."""
    if case.library != "bundled":
        lively(model, images)
    lively(make_even(model, case.columns), images)


def steepest(subject: heatlens.Subject, images: Tensor, layer: str) -> float:
    """The largest |dy/dA|, by a method of one line."""

    def slopes(gradients: Tensor) -> Tensor:
        return gradients.abs().sum(1)

    return float(heatlens.attribute(subject, images, method=slopes, layers=layer, upsample=False).max())


def way(subject: heatlens.Subject, images: Tensor, layer: str) -> str:
    """How a replay from this layer is done."""
    options = Options(graph=False, tails=frozenset({layer}))
    shown = images[:1] if takes_one(subject.model) else images
    with evaluating(subject.model):
        scene = Scene(subject.model, Inputs((shown,)), [layer], subject.layout, torch.zeros(1), options)
        return scene.tail(layer).way


def _ratio(subject: heatlens.Subject, image: Tensor, method: str) -> float:
    def plain() -> None:
        with torch.no_grad():
            subject.model(image)

    return _fastest(lambda: heatlens.attribute(subject, image, method=method)) / _fastest(plain)


def _fastest(run: Callable[[], object], times: int = 5) -> float:
    """Seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)
