"""Make a network CAM-able and fine-tune it on a folder of photos, one folder per class.

python -m training.fine_tune PHOTOS --model torchvision/alexnet --weights FILE --work DIR --epochs 10

Random crops and mirror images; Ctrl-C saves and stops, the same command goes on.  What comes out: DIR/model.safetensors
and DIR/classes.json, for `heatlens.load(heatlens.cam_head(MODEL, classes), weights=…)`.
"""

import argparse
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from tqdm import tqdm

import heatlens


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run."""

    model: str = "torchvision/alexnet"
    weights: str | None = None
    """Of the network before its head is swapped."""
    epochs: int = 10
    batch: int = 32
    rate: float = 0.01
    trunk_rate: float = 0.001
    """Of the layers that were trained before; 0 leaves them as they are."""
    channels: int = 1024
    seed: int = 0
    save_every: int = 50


class Shuffled(Sampler[int]):
    """An order that follows from the seed and the epoch, beginning where a run was stopped."""

    def __init__(self, count: int, seed: int, epoch: int, done: int) -> None:
        self.order = torch.randperm(count, generator=torch.Generator().manual_seed(1000 * seed + epoch))[done:]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.tolist())

    def __len__(self) -> int:
        return len(self.order)


class Run:
    """The network that is trained, its optimiser, and how far it has come."""

    def __init__(self, photos: Path, work: Path, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.work, self.step = settings, work, 0
        subject = heatlens.load(settings.model, settings.weights)
        p = subject.preprocessing
        self.photos = ImageFolder(str(photos), _views(p))
        self.net: Any = heatlens.cam_head(subject, self.photos.classes, channels=settings.channels or None)
        self.net.to("cuda" if torch.cuda.is_available() else "cpu")
        fresh = [*self.net.features.parameters(), *self.net.head.parameters()]
        groups = [{"params": fresh, "lr": settings.rate}]
        if settings.trunk_rate:
            groups.append({"params": list(self.net.trunk.parameters()), "lr": settings.trunk_rate})
        self.optimiser = torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4)
        if (work / "last.pt").exists():
            self.resume()

    def steps(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(epoch, images, classes) of every step that is still to come."""
        per_epoch = max(1, len(self.photos) // self.settings.batch)
        while self.step < self.settings.epochs * per_epoch:
            epoch, done = divmod(self.step, per_epoch)
            order = Shuffled(len(self.photos), self.settings.seed, epoch, done * self.settings.batch)
            loader = DataLoader(self.photos, self.settings.batch, sampler=order)
            for (images, classes), _ in zip(loader, range(per_epoch - done), strict=False):
                yield epoch, images, classes

    def learn(self, images: Tensor, classes: Tensor) -> float:
        """One step; the loss."""
        self.net.train()
        if not self.settings.trunk_rate:
            self.net.trunk.eval().requires_grad_(False)
        device = next(self.net.parameters()).device
        loss = F.cross_entropy(self.net(images.to(device)), classes.to(device))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Everything that is needed to go on; a file is there as a whole or not at all."""
        self.work.mkdir(parents=True, exist_ok=True)
        state = {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step}
        torch.save({**state, "classes": self.photos.classes}, self.work / "new.pt")
        os.replace(self.work / "new.pt", self.work / "last.pt")

    def resume(self) -> None:
        """Go on from where a run with the same classes was saved."""
        held = torch.load(self.work / "last.pt", weights_only=True)
        if held["classes"] != self.photos.classes:
            raise SystemExit(f"{self.work} holds a run for other classes: {', '.join(held['classes'][:5])} …")
        self.net.load_state_dict(held["net"])
        self.optimiser.load_state_dict(held["optimiser"])
        self.step = held["step"]

    def finish(self) -> None:
        """The network and its class names."""
        state = {key: value.contiguous().cpu() for key, value in self.net.state_dict().items()}
        save_file(state, str(self.work / "model.safetensors"))
        (self.work / "classes.json").write_text(json.dumps(self.photos.classes))


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """The signals that came: Ctrl-C and a request to end let the step finish."""
    came: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda number, _: came.append(number)) for kind in kinds]
    try:
        yield came
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def fine_tune(photos: Path, work: Path, settings: Settings) -> nn.Module | None:
    """Train to the end, and return the network in eval mode; None where it was interrupted."""
    run = Run(photos, work, settings)
    total = settings.epochs * max(1, len(run.photos) // settings.batch)
    with interruptible() as came, tqdm(total=total, initial=run.step, unit="step") as bar:
        for epoch, images, classes in run.steps():
            bar.set_postfix(epoch=epoch + 1, loss=f"{run.learn(images, classes):.3f}")
            bar.update()
            if came or run.step % settings.save_every == 0:
                run.save()
            if came:
                return None
    run.save()
    run.finish()
    net: nn.Module = run.net.eval()
    return net


def _views(p: Any) -> v2.Compose:
    """Random crops and mirror images in the units that the network takes."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(p.size, scale=(0.3, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            lambda pixels: pixels.float() * p.scale,
            lambda pixels: pixels.flip(0) if p.channels == "BGR" else pixels,
            v2.Normalize(p.mean, p.std),
        ]
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    for name, default in vars(Settings()).items():
        kind = type(default) if default is not None else str
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    given = vars(parser.parse_args())
    photos, work = given.pop("photos"), given.pop("work")
    return 0 if fine_tune(photos, work, Settings(**given)) is not None else 130


if __name__ == "__main__":
    raise SystemExit(main())
