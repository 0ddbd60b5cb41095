"""Networks for tests: those that libraries build, with random weights that let signals through, and small ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def lively(model: nn.Module, images: Tensor) -> nn.Module:
    """Random weights as libraries set them can leave the outputs constant: batch norms that were never trained, layer
    scales of 1e-6, heads of zeros.  This gives them ordinary values, and the model back in eval mode."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith(("gamma", "gamma_1", "gamma_2", "gamma_3", "layer_scale")) or "lambda_" in name:
                weights.fill_(0.5)
            elif weights.ndim > 1 and not weights.any():
                weights.normal_(0, 0.05)
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.momentum, norm.training = 1.0, True
        if norms:
            model.eval()
            for norm in norms:
                norm.training = True
            model(images)
    return model.eval()


def torchvision_model(name: str, size: int = 64, classes: int = 11) -> tuple[nn.Module, Tensor]:
    """A torchvision classifier and two images for it."""
    from torchvision import models

    extra: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name in ("googlenet", "inception_v3"):
        extra["aux_logits"] = False
    if name.startswith("vit"):
        extra["image_size"] = size
    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size)
    return lively(models.get_model(name, weights=None, num_classes=classes, **extra), images), images


def timm_model(name: str, size: int = 64, **arguments: Any) -> tuple[nn.Module, Tensor]:
    """A timm classifier and two images for it."""
    import timm

    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size)
    return lively(timm.create_model(name, num_classes=11, **arguments), images), images


def transformers_model(name: str, size: int = 64, **config: Any) -> tuple[nn.Module, Tensor]:
    """A transformers image classifier and two images for it."""
    import transformers

    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size)
    configured = getattr(transformers, f"{name}Config")(num_labels=11, **config)
    return lively(getattr(transformers, f"{name}ForImageClassification")(configured), images), images


class Gap(nn.Module):
    """Convolution, ReLU, global average pooling, one linear layer: the network on which CAM is exact."""

    def __init__(self, channels: int = 6, classes: int = 4, inplace: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(2), nn.Conv2d(8, channels, 3, padding=1)
        )
        self.relu = nn.ReLU(inplace)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.body(x)).mean((2, 3)))


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """A random state of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
