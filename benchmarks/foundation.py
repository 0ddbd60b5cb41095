"""What the core costs beside a plain forward pass, and what its peers cost."""

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

import heatlens
from heatlens.engine.evidence.evidence import Evidence
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.passes.scene import Options, Scene
from heatlens.engine.state.evaluating import evaluating
from heatlens.models.reading.layouts import ChannelsFirst
from heatlens.targets import Logit

from . import peers
from .timing import Row, race

TEN = [
    "grad_cam",
    "hires_cam",
    "grad_cam_pp",
    "xgrad_cam",
    "layer_cam",
    "grad_cam_element_wise",
    "eigen_grad_cam",
    "seg_eigen_cam",
    "zoom_cam",
    "shapley_cam",
]


def network() -> nn.Module:
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


def grad_cam(rounds: int, batch: int) -> list[Row]:
    model, images = network(), torch.rand(batch, 3, 224, 224)
    return race(
        {
            "plain forward pass": peers.plain(model, images),
            "heatlens": peers.ours(model, images, "layer4", "grad_cam"),
            "captum": peers.captum(model, images, "layer4"),
            "torch-cam": peers.torch_cam(model, images, "layer4"),
            "pytorch-grad-cam": peers.pytorch_grad_cam(model, images, "layer4", ["GradCAM"]),
        },
        rounds,
    )


def ten_methods(rounds: int, batch: int) -> list[Row]:
    model, images = network(), torch.rand(batch, 3, 224, 224)
    seven = ["GradCAM", "HiResCAM", "GradCAMPlusPlus", "XGradCAM", "LayerCAM", "GradCAMElementWise", "EigenGradCAM"]
    return race(
        {
            "plain forward pass": peers.plain(model, images),
            "heatlens, ten gradient methods": peers.ours(model, images, "layer4", TEN),
            "pytorch-grad-cam, seven of them": peers.pytorch_grad_cam(model, images, "layer4", seven),
        },
        rounds,
    )


def eigen_cam(rounds: int, batch: int) -> list[Row]:
    model, images = network(), torch.rand(batch, 3, 224, 224)
    return race(
        {
            "plain forward pass": peers.plain(model, images),
            "heatlens": peers.ours(model, images, "layer4", "eigen_cam"),
            "pytorch-grad-cam": peers.pytorch_grad_cam(model, images, "layer4", ["EigenCAM"]),
        },
        rounds,
    )


def ablation_sweep(rounds: int) -> list[Row]:
    """Every channel of `layer4.2` set to zero in turn: 2,048 scores."""
    model, images = network(), torch.rand(1, 3, 224, 224)

    def sweep() -> Tensor:
        with evaluating(model):
            scene = Scene(
                model,
                Inputs((images,)),
                ["layer4.2"],
                lambda layer, said, shown: ChannelsFirst(),
                images,
                Options(graph=False, tails=frozenset({"layer4.2"})),
            )
            evidence = Evidence(scene.under([Logit(1)]), "layer4.2")
            channels = torch.arange(2048)
            return evidence.score_with(lambda a, k: a * (channels[None] != k[:, None])[..., None, None], 2048)

    assert sweep().shape == (1, 2048)
    return race({"plain forward pass": peers.plain(model, images), "heatlens, 2,048 replays": sweep}, rounds)


def whole_ablation_cam(rounds: int) -> list[Row]:
    model, images = network(), torch.rand(1, 3, 224, 224)
    ablation = lambda: heatlens.attribute(model, images, method="ablation_cam", target=1, layers="layer4.2")  # noqa: E731
    return race({"plain forward pass": peers.plain(model, images), "heatlens, Ablation-CAM": ablation}, rounds)


RACES = {
    "Grad-CAM, ResNet-50 layer4, batch 1": lambda rounds: grad_cam(rounds, 1),
    "Grad-CAM, ResNet-50 layer4, batch 8": lambda rounds: grad_cam(max(3, rounds // 2), 8),
    "Ten gradient methods, ResNet-50 layer4, batch 1": lambda rounds: ten_methods(rounds, 1),
    "Ten gradient methods, ResNet-50 layer4, batch 8": lambda rounds: ten_methods(max(3, rounds // 2), 8),
    "Eigen-CAM, ResNet-50 layer4, batch 1": lambda rounds: eigen_cam(rounds, 1),
    "Eigen-CAM, ResNet-50 layer4, batch 8": lambda rounds: eigen_cam(max(3, rounds // 2), 8),
    "2,048 ablations by replay, ResNet-50 layer4.2": ablation_sweep,
    "Ablation-CAM, ResNet-50 layer4.2": whole_ablation_cam,
}
