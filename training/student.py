"""The network in training: auxiliary heads, targets, loss, and the moving average."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from heatlens.models.bundled.networks import BundledCNN
from training.data import Classes

MEAN, STD, SIZE = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 128


class Student(nn.Module):
    """The shipped network and, in training only, linear heads for the fine classes and the teacher's features."""

    def __init__(self, classes: int, fine: int, taught: int = 0) -> None:
        super().__init__()
        self.network = BundledCNN(classes)
        self.fine_head = nn.Linear(self.network.head.in_features, fine)
        self.taught_head = nn.Linear(self.network.head.in_features, taught) if taught else None
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised photos -> scores of the merged classes, of the fine classes, and a guess of the features."""
        pooled = self.network.flatten(self.network.pool(self.network.features(x)))
        heads = (self.network.head, self.fine_head, self.taught_head)
        return [head(pooled) for head in heads if head is not None]


def initialise(module: nn.Module) -> None:
    """He initialisation; each residual branch starts at zero."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        if name.endswith("bn2") and isinstance(part, nn.BatchNorm2d):
            nn.init.zeros_(part.weight)


def normalise(images: Tensor) -> Tensor:
    """Photos between 0 and 1 -> the network's input."""
    mean, std = (torch.tensor(value).view(3, 1, 1).to(images) for value in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def merge(probabilities: Tensor, classes: Classes) -> Tensor:
    """Sum fine probabilities (n, fine) into the merged classes (n, classes)."""
    merged = torch.zeros(len(probabilities), len(classes.names))
    return merged.index_add_(1, classes.merged_of, probabilities)


def targets(fine: Tensor, teacher: Tensor | None, classes: Classes, trust: float, smoothing: float) -> list[Tensor]:
    """Targets (n, classes) and (n, fine): smoothed labels mixed with `trust` parts of the teacher."""
    count = len(classes.wnids)
    hard = F.one_hot(fine, count).float() * (1 - smoothing) + smoothing / count
    if teacher is not None:
        hard = hard.lerp(teacher.exp(), trust)
    return [merge(hard, classes), hard]


def loss_of(scores: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Cross-entropy of the merged classes, half that of the fine ones, twice one minus the features' cosine."""
    merged, fine = (F.cross_entropy(s.float(), w) for s, w in zip(scores[:2], wanted[:2], strict=True))
    angles = [F.cosine_similarity(s.float(), w).mean() for s, w in zip(scores[2:], wanted[2:], strict=True)]
    return merged + 0.5 * fine + sum(2 * (1 - angle) for angle in angles)


@torch.no_grad()
def keep_positive(head: nn.Linear) -> None:
    """No negative class weights: a map shows all evidence for its class, not what is left after evidence against."""
    head.weight.clamp_(min=0)


class Average:
    """Exponential moving average of parameters and running statistics, quicker at the start."""

    def __init__(self, student: Student, decay: float = 0.998) -> None:
        self.student = copy.deepcopy(student).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, student: Student, step: int) -> None:
        """Move towards the student."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        for kept, new in zip(self.student.state_dict().values(), student.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new.to(kept.dtype), rate)
            else:
                kept.copy_(new)


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor, size: int = SIZE, batch: int = 256) -> float:
    """Top-1 of a network on uint8 photos, upsampled bilinearly."""
    return float((predict(network, images, size, batch).argmax(1) == labels).float().mean())


@torch.inference_mode()
def predict(network: nn.Module, images: Tensor, size: int = SIZE, batch: int = 256) -> Tensor:
    """Scores (n, classes) of uint8 photos in eval mode."""
    device = next(network.parameters()).device
    found = []
    for chunk in images.split(batch):
        photo = F.interpolate(chunk.to(device).float() / 255, size=(size, size), mode="bilinear", antialias=True)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            found.append(network(normalise(photo)).float().cpu())
    return torch.cat(found)
