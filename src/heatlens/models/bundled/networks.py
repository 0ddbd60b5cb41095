"""The small network that ships with heatlens: plain residual blocks, global average pooling, one linear layer.

The neck ends in a 3x3 mean over zero padding: maps are smooth, and places at the border, which saw padding, count less.

photo (n, 3, 128, 128) -> stem (n, 64, 32, 32) -> stages (n, 256, 8, 8) -> neck (n, 512, 8, 8) -> mean -> head
"""

from collections.abc import Sequence

from torch import Tensor, nn


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def _unit(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, size, stride), nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016); the shortcut is 1x1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = _conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        inner = self.relu1(self.bn1(self.conv1(x)))
        out: Tensor = self.relu2(self.bn2(self.conv2(inner)) + self.shortcut(x))
        return out


class BundledCNN(nn.Module):
    """A residual network of about 2.9 million parameters whose last stage is 8x8 for a 128-pixel photo."""

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (64, 128, 256),
        depths: Sequence[int] = (1, 2, 2),
        features: int = 512,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_unit(3, widths[0] // 2, 3, 2), *_unit(widths[0] // 2, widths[0], 3, 2))
        stages, inputs = [], widths[0]
        for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            strides = [1 if index == 0 else 2] + [1] * (depth - 1)
            stages.append(nn.Sequential(*(Block(inputs if i == 0 else width, width, s) for i, s in enumerate(strides))))
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.neck = nn.Sequential(*_unit(inputs, features, 1), nn.AvgPool2d(3, stride=1, padding=1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """Photos (n, 3, h, w) -> the last stack (n, features, h / 16, w / 16)."""
        stack: Tensor = self.neck(self.stages(self.stem(x)))
        return stack

    def forward(self, x: Tensor) -> Tensor:
        """Photos (n, 3, h, w) -> class scores (n, classes)."""
        scores: Tensor = self.head(self.flatten(self.pool(self.features(x))))
        return scores
