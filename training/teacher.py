"""Soft labels from a teacher: a linear probe on its features, each photo labelled by probes that never saw it.

The teacher (DeiT-tiny) was made for sharp 224-pixel photos. On upsampled 64-pixel ones its own head is badly
calibrated, its features are not: five probes, one per fold, give out-of-fold probabilities over the 86 fine classes.
"""

import argparse
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from training.data import add_folders, data_folder, load_photos

WEIGHTS = "weights/deit_tiny_patch16_224.safetensors"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE, FOLDS = 224, 5


def load_teacher(data: Path) -> nn.Module:
    """DeiT-tiny without its head: images (n, 3, 224, 224) -> features (n, 192)."""
    teacher = timm.create_model("deit_tiny_patch16_224")
    teacher.load_state_dict(load_file(data / WEIGHTS))
    teacher.reset_classifier(0)
    return teacher.eval()


def features(teacher: nn.Module, images: Tensor, batch: int = 64) -> Tensor:
    """Features of uint8 photos, upsampled to the teacher's size."""
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (MEAN, STD))
    found = []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for chunk in tqdm(images.split(batch), desc="teacher"):
            photo = F.interpolate(chunk.float() / 255, size=SIZE, mode="bicubic").clamp(0, 1)
            found.append(teacher((photo - mean) / std).float())
    return torch.cat(found)


def fit_probe(x: Tensor, y: Tensor, classes: int, decay: float = 1e-4, steps: int = 60) -> nn.Linear:
    """Multinomial logistic regression with weight decay, by L-BFGS."""
    probe = nn.Linear(x.shape[1], classes)
    nn.init.zeros_(probe.weight)
    search = torch.optim.LBFGS(probe.parameters(), max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        loss = F.cross_entropy(probe(x), y) + decay * probe.weight.square().sum()
        loss.backward()
        return loss

    search.step(closure)
    return probe


def out_of_fold(x: Tensor, y: Tensor, classes: int, seed: int = 0) -> Tensor:
    """Log-probabilities (n, classes), each row from a probe fitted on the other folds."""
    fold = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)) % FOLDS
    result = torch.empty(len(x), classes)
    for index in range(FOLDS):
        probe = fit_probe(x[fold != index], y[fold != index], classes)
        with torch.no_grad():
            result[fold == index] = F.log_softmax(probe(x[fold == index]), 1)
    return result


def teacher_features(data: Path, work: Path) -> Tensor:
    """Features (n, 192) of the training photos, scaled to mean 0 and deviation 1, cached in `work`."""
    cache = work / "teacher_features.pt"
    if not cache.exists():
        torch.save(features(load_teacher(data), load_photos(data, work, "train").images), cache)
    found: Tensor = torch.load(cache)
    return (found - found.mean(0)) / found.std(0)


def soft_labels(data: Path, work: Path) -> Tensor:
    """Out-of-fold log-probabilities (n, fine) of the training photos, cached in `work`."""
    cache = work / "teacher.pt"
    if not cache.exists():
        photos = load_photos(data, work, "train")
        result = out_of_fold(teacher_features(data, work), photos.fine, int(photos.fine.max()) + 1)
        right = (result.argmax(1) == photos.fine).float().mean()
        print(f"teacher, out of fold: {right:.1%} of the fine classes")
        torch.save(result, cache)
    return torch.load(cache)


def main() -> None:
    """Write the soft labels into the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_folders(parser)
    arguments = parser.parse_args()
    soft_labels(data_folder(arguments.data), arguments.work)


if __name__ == "__main__":
    main()
