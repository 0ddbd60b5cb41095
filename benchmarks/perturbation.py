"""What the probing methods cost beside their peers."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torchvision import models

import heatlens

from . import peers
from .timing import Row, Work, race

GRADIENT_METHODS = [
    "grad_cam",
    "hires_cam",
    "grad_cam_pp",
    "xgrad_cam",
    "layer_cam",
    "grad_cam_element_wise",
    "eigen_grad_cam",
    "eigen_cam",
]
THEIR_NAMES = [
    "GradCAM",
    "HiResCAM",
    "GradCAMPlusPlus",
    "XGradCAM",
    "LayerCAM",
    "GradCAMElementWise",
    "EigenGradCAM",
    "EigenCAM",
]
FAMILIES = {
    "ResNet-18": (lambda: models.resnet18(weights=None), "layer4"),
    "ResNet-50": (lambda: models.resnet50(weights=None), "layer4"),
    "VGG16": (lambda: models.vgg16(weights=None), "features"),
    "MobileNetV2": (lambda: models.mobilenet_v2(weights=None), "features"),
    "DeiT-tiny": (lambda: timm.create_model("deit_tiny_patch16_224"), "blocks.11.norm1"),
}


def built(family: str) -> tuple[nn.Module, Tensor, str]:
    torch.manual_seed(0)
    make, layer = FAMILIES[family]
    return make().eval(), torch.rand(1, 3, 224, 224), layer


def asked(model: nn.Module, images: Tensor, layer: str, method: str, **options: object) -> Work:
    return lambda: heatlens.attribute(model, images, method=method, target=1, layers=layer, **options)


def ablation(family: str, layer: str) -> Callable[[int], list[Row]]:
    """The peer comes first: the ratio says which share of its time is needed."""

    def run(rounds: int) -> list[Row]:
        model, images, _ = built(family)
        return race(
            {
                "pytorch-grad-cam": peers.pytorch_grad_cam(model, images, layer, ["AblationCAM"]),
                "heatlens": asked(model, images, layer, "ablation_cam"),
            },
            rounds,
            warm=False,
        )

    return run


def score_cam(rounds: int) -> list[Row]:
    """The peers' definition: logits, softmax over the channels."""
    model, images, layer = built("ResNet-18")
    settings = {"score": "logit", "channel_softmax": True}
    return race(
        {
            "pytorch-grad-cam": peers.pytorch_grad_cam(model, images, layer, ["ScoreCAM"]),
            "torch-cam": peers.torch_cam(model, images, layer, "ScoreCAM"),
            "heatlens, float32": asked(model, images, layer, "score_cam", settings=settings),
            "heatlens, bf16": asked(model, images, layer, "score_cam", settings=settings, precision="bf16"),
        },
        rounds,
        warm=False,
    )


def many_at_once(rounds: int) -> list[Row]:
    """16 photos x 8 gradient methods x 3 targets."""
    model, _, layer = built("ResNet-50")
    images = torch.rand(16, 3, 224, 224)
    photos = [image.clone() for image in images]
    subject = heatlens.load(model)
    ours = lambda: heatlens.explain(  # noqa: E731
        subject, photos, method=GRADIENT_METHODS, target=[1, 2, 3], layers=layer, batch_size=16
    )
    theirs = peers.pytorch_grad_cam(model, images, layer, THEIR_NAMES, targets=3)
    return race({"pytorch-grad-cam": theirs, "heatlens": ours}, rounds, warm=False)


def replayed(rounds: int) -> list[Row]:
    """Methods that need no full forward pass beyond the first."""
    model, images, layer = built("ResNet-50")
    methods = ["recipro_cam", "lift_cam", "layer_integrated_gradients", "shapley_cam"]
    contenders = {method: asked(model, images, layer, method) for method in methods}
    return race({"plain forward pass": peers.plain(model, images), **contenders}, rounds)


def families(rounds: int) -> list[Row]:
    """Grad-CAM beside a plain forward pass of the same network, and Ablation-CAM beside Grad-CAM's."""
    rows = []
    for family in FAMILIES:
        model, images, layer = built(family)
        contenders = {
            f"{family}: plain forward pass": peers.plain(model, images),
            f"{family}: Grad-CAM": asked(model, images, layer, "grad_cam"),
            f"{family}: Ablation-CAM": asked(model, images, layer, "ablation_cam"),
            f"{family}: Recipro-CAM": asked(model, images, layer, "recipro_cam"),
        }
        rows += race(contenders, rounds)
    return rows


_MEMORY = """
import resource, sys, torch, heatlens
from torchvision.models import resnet50
torch.manual_seed(0)
model = resnet50(weights=None).eval()
images = torch.rand(1, 3, 224, 224)
with torch.no_grad():
    model(images)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.argv[1] == "forward":
    with torch.no_grad():
        model(images.expand(32, -1, -1, -1).contiguous())
else:
    heatlens.attribute(model, images, method="score_cam", target=1, layers="layer4")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def memory(rounds: int) -> list[Row]:
    """MiB beyond a process that holds the model: a batch of 32, and Score-CAM over 2,048 channels."""

    def peak(work: str) -> float:
        command = [sys.executable, "-c", _MEMORY, work]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
        return float(done.stdout)

    forward, score = peak("forward"), peak("score")
    return [
        Row("forward pass of a batch of 32 (MiB)", forward, 1.0, 1.0, 1.0),
        Row("Score-CAM, 2,048 channels (MiB)", score, score / forward, score / forward, score / forward),
    ]


RACES = {
    "Ablation-CAM, ResNet-18 layer4, batch 1": lambda rounds: ablation("ResNet-18", "layer4")(3),
    "Ablation-CAM, ResNet-50 layer4.2, batch 1": lambda rounds: ablation("ResNet-50", "layer4.2")(1),
    "Score-CAM, ResNet-18 layer4, batch 1": lambda rounds: score_cam(3),
    "16 photos x 8 gradient methods x 3 targets, ResNet-50": lambda rounds: many_at_once(1),
    "Replayed methods, ResNet-50 layer4": replayed,
    "Families": lambda rounds: families(max(3, rounds // 2)),
    "Peak memory, ResNet-50": memory,
}
