"""heatlens beside MMPretrain's own vis_cam.py: the same map where both read the same tensor, and why where not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import heatlens
from heatlens.words.notation import relu, resize_maps, unit_range
from helpers.networks import lively

pytest.importorskip("pytorch_grad_cam")
pytest.importorskip("mmpretrain")
from peers.vis_cam import VisCam, options

PIPELINE = """
test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=[
    dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=72, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=64), dict(type='PackInputs'),
]))
data_preprocessor = dict(mean=[123., 116., 103.], std=[58., 57., 57.], to_rgb=True)
"""
CONFIGS = {
    "deit": """model = dict(type='ImageClassifier',
    backbone=dict(type='VisionTransformer', arch='deit-tiny', img_size=64, patch_size=16),
    head=dict(type='VisionTransformerClsHead', num_classes=5, in_channels=192, init_cfg=None))""",
    "swin": """model = dict(type='ImageClassifier',
    backbone=dict(type='SwinTransformer', arch=dict(embed_dims=32, depths=[2, 2], num_heads=[2, 4]), img_size=64,
                  window_size=4, drop_path_rate=0., out_indices=(1, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=64))""",
    "resnet": """model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=512))""",
    "mobilenet": """model = dict(type='ImageClassifier', backbone=dict(type='MobileNetV2', widen_factor=0.25),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=1280))""",
}
TOKENS = {"deit", "swin"}
LAYERS = {
    "deit": ["backbone.layers.11.ln1"],
    "swin": ["backbone.stages.1.blocks.1.norm2"],
    "resnet": ["backbone.layer4"],
    "mobilenet": ["backbone.layer7"],
}
"""Whose output nothing behind them changes in place."""
SEVERAL = {
    "deit": ["backbone.layers.5.ln1", "backbone.layers.11.ln1"],
    "resnet": ["backbone.layer3", "backbone.layer4"],
}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "GradCAM": ("grad_cam", {}),
    "XGradCAM": ("xgrad_cam", {"absolute": False}),
    "LayerCAM": ("layer_cam", {}),
    "HiResCAM": ("hires_cam", {}),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, and a config and a checkpoint of each network."""
    from skimage import data

    folder = tmp_path_factory.mktemp("desk")
    Image.fromarray(data.chelsea()).save(folder / "cat.png")
    for name, text in CONFIGS.items():
        (folder / f"{name}.py").write_text(text + PIPELINE)
        model = heatlens.load("mmpretrain", "none", config=folder / f"{name}.py").model
        torch.manual_seed(0)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        lively(model, torch.randn(4, 3, 64, 64))
        torch.save({"state_dict": model.state_dict()}, folder / f"{name}.pth")
    return folder


@pytest.fixture
def vis_cam(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> VisCam:
    return VisCam(monkeypatch, capfd)


def theirs(vis_cam: VisCam, desk: Path, network: str, *words: Any) -> NDArray[np.float32]:
    like = ["--vit-like"] if network in TOKENS else []
    given = desk / "cat.png", desk / f"{network}.py", desk / f"{network}.pth"
    drawn, _ = vis_cam(*given, "--save-path", desk / "drawn.png", *like, *words)
    assert drawn is not None
    assert np.ptp(drawn) > 0.2
    return drawn


def subject_of(desk: Path, network: str) -> heatlens.Subject:
    return heatlens.load("mmpretrain", desk / f"{network}.pth", config=desk / f"{network}.py")


def ours(desk: Path, network: str, **asked: Any) -> NDArray[np.float32]:
    """The map as the peer shows it."""
    return stretched(heatlens.explain(subject_of(desk, network), desk / "cat.png", **asked).raw)


@pytest.fixture(scope="module")
def classes(desk: Path) -> dict[str, int]:
    """Of each network a class that every method and layer of these tests has something to say for."""
    found = {}
    for network, first in LAYERS.items():
        subject, layers = subject_of(desk, network), [*first, *SEVERAL.get(network, [])]
        asked = [
            heatlens.Recipe(name, tuple(given.items()), (layer,))
            for name, given in METHODS.values()
            for layer in layers
        ]
        maps = heatlens.explain(subject, desk / "cat.png", method=asked, target=[0, 1, 2, 3, 4])
        spoken = [all(m.has_peak for m in maps[c::5]) for c in range(5)]
        found[network] = spoken.index(True)
    return found


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", CONFIGS)
def test_the_same_map(network: str, method: str, vis_cam: VisCam, desk: Path, classes: dict[str, int]) -> None:
    layers = LAYERS[network]
    expected = theirs(
        vis_cam, desk, network, "--method", method, "--target-category", classes[network], "--target-layers", *layers
    )
    name, settings = METHODS[method]
    found = ours(desk, network, method=name, settings=settings, target=classes[network], layers=layers)
    assert np.abs(found - expected).max() < 0.005


@pytest.mark.parametrize("network", ["deit", "resnet"])
def test_several_layers_are_the_stretched_mean(
    network: str, vis_cam: VisCam, desk: Path, classes: dict[str, int]
) -> None:
    layers = SEVERAL[network]
    words = "--method", "LayerCAM", "--target-category", classes[network], "--target-layers", *layers
    expected = theirs(vis_cam, desk, network, *words)
    asked: dict[str, Any] = {"method": "layer_cam", "target": classes[network], "layers": layers}
    assert np.abs(ours(desk, network, fuse="stretched_mean", **asked) - expected).max() < 0.005
    assert np.abs(ours(desk, network, fuse="mean", **asked) - expected).max() > 0.02


def stretched(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """As the peer shows a map: ReLU, to [0, 1], enlarged, to [0, 1] again."""
    maps = unit_range(relu(torch.from_numpy(raw)[None]), 1)
    shown: NDArray[np.float32] = unit_range(resize_maps(maps, (64, 64)), 1)[0].numpy()
    return shown


def apart(raw: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """How far a map is from the peer's under the better of its two signs."""
    return min(float(np.abs(stretched(sign * raw) - expected).max()) for sign in (1, -1))


@pytest.mark.parametrize("network", ["deit", "mobilenet"])
def test_smoothing(network: str, vis_cam: VisCam, desk: Path, classes: dict[str, int]) -> None:
    """--aug-smooth is the mean over flips; --eigen-smooth the first principal component, up to its sign."""
    layers = LAYERS[network]
    words = "--target-category", classes[network], "--target-layers", *layers
    flips = ours(desk, network, target=classes[network], layers=layers, average="flips")
    assert alike(flips, theirs(vis_cam, desk, network, "--aug-smooth", *words)) > 0.99
    found = heatlens.explain(
        subject_of(desk, network),
        desk / "cat.png",
        target=classes[network],
        layers=layers,
        settings={"summing": "eigen"},
    )
    assert apart(found.raw, theirs(vis_cam, desk, network, "--eigen-smooth", *words)) < 0.005


def test_eigen_cam_is_theirs_where_it_is_centred_up_to_the_sign(vis_cam: VisCam, desk: Path) -> None:
    layers = LAYERS["resnet"]
    expected = theirs(vis_cam, desk, "resnet", "--method", "EigenCAM", "--target-layers", *layers)
    found = heatlens.explain(
        subject_of(desk, "resnet"), desk / "cat.png", method="eigen_cam", layers=layers, settings={"centred": True}
    )
    assert apart(found.raw, expected) < 0.005


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        ("deit", "backbone.layers.11.ln1"),
        ("swin", "backbone.norm1"),
        ("resnet", "backbone.layer4.1.bn2"),
        ("mobilenet", "backbone.conv2.bn"),
    ],
)
def test_its_default_layer(network: str, layer: str, vis_cam: VisCam, desk: Path) -> None:
    given = desk / "cat.png", desk / f"{network}.py", desk / f"{network}.pth", "--save-path", desk / "drawn.png"
    _, said = vis_cam(*given, *(["--vit-like"] if network in TOKENS else []))
    assert f'"{layer}" as the target layer' in said


def test_what_stands_before_an_addition_in_place_is_not_what_it_shows(
    vis_cam: VisCam, desk: Path, classes: dict[str, int]
) -> None:
    """On the CPU its stored activations share memory with what the shortcut and the ReLU write over them."""
    layer = "backbone.layer4.1.bn2"
    words = "--method", "LayerCAM", "--target-category", classes["resnet"], "--target-layers", layer
    found = ours(desk, "resnet", method="layer_cam", target=classes["resnet"], layers=layer)
    assert alike(found, theirs(vis_cam, desk, "resnet", *words)) < 0.99
    hook = nn.Module.register_forward_hook

    def cloning(self: nn.Module, function: Any, **how: Any) -> Any:
        def copied(module: nn.Module, args: Any, output: Any) -> Any:
            function(module, args, output.clone())
            return None

        return hook(self, copied if function.__name__ == "save_activation" else function, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "register_forward_hook", cloning)
        kept = theirs(vis_cam, desk, "resnet", *words)
    assert alike(found, kept) > 0.9999


def test_what_it_asks_for() -> None:
    assert options() == {
        "img", "config", "checkpoint", "target-layers", "preview-model", "method", "target-category", "eigen-smooth",
        "aug-smooth", "save-path", "device", "vit-like", "num-extra-tokens", "cfg-options",
    }  # fmt: skip
