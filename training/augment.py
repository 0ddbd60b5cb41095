"""Augmentation of whole batches on tensors, every draw from one seeded generator."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


class Draw(NamedTuple):
    """Random numbers of one batch, from one generator."""

    generator: Generator
    count: int

    def uniform(self, low: float, high: float) -> Tensor:
        """(count,) numbers between low and high."""
        return torch.rand(self.count, generator=self.generator) * (high - low) + low

    def chance(self, probability: float) -> Tensor:
        """(count,) booleans."""
        return self.uniform(0, 1) < probability

    def one(self) -> float:
        """One number between 0 and 1 for the whole batch."""
        return float(torch.rand((), generator=self.generator))


def crops(draw: Draw, smallest: float = 0.3, out: float = 0.2) -> Tensor:
    """Affine matrices (n, 2, 3): crops of area `smallest`..1, some zoomed out up to 1.5, half mirrored."""
    area = torch.exp(draw.uniform(math.log(smallest), 0))
    ratio = torch.exp(draw.uniform(math.log(3 / 4), math.log(4 / 3)) / 2)
    zoom = torch.where(draw.chance(out), draw.uniform(1.0, 1.5), area.sqrt())
    width, height = zoom * ratio, zoom / ratio
    free_x, free_y = (1 - width).abs(), (1 - height).abs()
    mirror = torch.where(draw.chance(0.5), -1.0, 1.0)
    zero = torch.zeros(draw.count)
    rows = (width * mirror, zero, free_x * draw.uniform(-1, 1), zero, height, free_y * draw.uniform(-1, 1))
    return torch.stack(rows, 1).view(-1, 2, 3)


def take(images: Tensor, matrices: Tensor, size: int) -> Tensor:
    """Cut the crops out of float images and resize them to size x size; outside, the photo is reflected."""
    grid = F.affine_grid(matrices.to(images), [len(images), 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1).to(like)


def colours(images: Tensor, draw: Draw, strength: float = 0.4) -> Tensor:
    """Brightness, contrast, saturation, a colour cast, and a few photos in grey."""
    bright, contrast, saturation = (_column(draw.uniform(1 - strength, 1 + strength), images) for _ in range(3))
    saturation = torch.where(_column(draw.chance(0.05), images) > 0, torch.zeros_like(saturation), saturation)
    cast = torch.stack([draw.uniform(0.9, 1.1) for _ in range(3)], 1)[:, :, None, None].to(images)
    images = images * (bright * cast)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * saturation
    middle = grey.mean((2, 3), keepdim=True)
    return middle + (images - middle) * contrast


def sharpness(images: Tensor, draw: Draw) -> Tensor:
    """From blurred (-1) to strongly sharpened (+2.5): unsharp masking with a 3x3 mean."""
    amount = torch.where(draw.chance(0.5), draw.uniform(-1.0, 0.5), draw.uniform(0.0, 2.5))
    soft = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return images + (images - soft) * _column(amount, images)


def augment(images: Tensor, size: int, generator: Generator) -> Tensor:
    """uint8 (n, 3, 64, 64) -> float (n, 3, size, size) between 0 and 1."""
    draw = Draw(generator, len(images))
    cut = take(images.float() / 255, crops(draw), size)
    return colours(sharpness(cut, draw), draw).clamp(0, 1)


def cutmix(images: Tensor, targets: list[Tensor], generator: Generator) -> tuple[Tensor, list[Tensor]]:
    """Paste one box of the next photo into each photo and mix the targets by area (Yun et al. 2019)."""
    draw, size = Draw(generator, 1), images.shape[-1]
    side = round(size * math.sqrt(draw.one()))
    x, y = (int(draw.one() * (size - side + 1)) for _ in range(2))
    mixed = images.clone()
    mixed[:, :, y : y + side, x : x + side] = images.roll(1, 0)[:, :, y : y + side, x : x + side]
    share = side * side / size / size
    return mixed, [target.lerp(target.roll(1, 0), share) for target in targets]
