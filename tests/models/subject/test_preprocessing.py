"""What a subject shows its model is what the model's own library would show it."""

import numpy as np
import pytest
import torch
from PIL import Image

import heatlens
from heatlens.images import read_photo


def photo(height: int, width: int) -> Image.Image:
    """Smooth shapes and noise."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(rows / 9), np.cos(columns / 7), np.sin((rows + columns) / 5)], 2) * 100 + 128
    noise = np.random.default_rng(0).normal(0, 20, waves.shape)
    return Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8))


PHOTOS = [photo(375, 500), photo(301, 203), photo(64, 80)]


@pytest.mark.parametrize(
    "name",
    ["resnet18", "efficientnet_b1", "efficientnet_b3", "swin_t", "swin_v2_t", "inception_v3", "vit_b_16", "maxvit_t"],
)
def test_torchvision(name: str) -> None:
    from torchvision import models

    from heatlens.models.libraries.torchvision_tasks import fitted
    from heatlens.targets import Classes

    transforms = models.get_model_weights(name).DEFAULT.transforms()  # 232 -> 224, 240, bicubic 300, 342 -> 299, …
    subject = fitted(name, torch.nn.Identity(), transforms, Classes())
    for picture in PHOTOS:
        image, _ = subject.prepare(read_photo(picture))
        assert torch.equal(image[0], transforms(picture))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet10t", {}),  # bicubic, 0.875
        ("mobilenetv2_050", {}),  # bicubic, 0.875
        ("vit_tiny_patch16_224", {"depth": 1}),  # 0.9, mean 0.5
        ("deit_tiny_patch16_224", {"depth": 1}),
        ("convnext_atto", {}),
        ("beit_base_patch16_224", {"depth": 1}),
        ("eva02_tiny_patch14_336", {"depth": 1}),  # squash
        ("tf_mobilenetv3_small_075", {}),
    ],
)
def test_timm(name: str, arguments: dict[str, int]) -> None:
    from timm.data import create_transform, resolve_data_config

    subject = heatlens.load(f"timm/{name}", weights="none", num_classes=2, **arguments)
    transform = create_transform(**resolve_data_config({}, model=subject.model), is_training=False)
    for picture in PHOTOS:
        image, _ = subject.prepare(read_photo(picture))
        assert torch.equal(image[0], transform(picture))
