"""Train the bundled network. Seeded; a run that was killed goes on from its last checkpoint.

python -m training.train --data DIR --work DIR --minutes 100     # the schedule follows the clock
python -m training.train --data DIR --work DIR --epochs 40       # the schedule follows the steps
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from training.data import Classes, add_folders, data_folder, load_photos, read_classes
from training.schedule import learning_rate, mix_chance, photo_size
from training.student import Average, Student, accuracy, keep_positive, targets
from training.teacher import soft_labels, teacher_features
from training.workers import Step, Workers


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run. One of `minutes` and `epochs` is zero."""

    minutes: float = 0.0
    epochs: int = 0
    batch: int = 128
    peak: float = 0.1
    decay: float = 5e-4
    smoothing: float = 0.05
    trust: float = 0.5
    seed: int = 0
    workers: int = 2
    check_every: int = 4
    save_seconds: float = 120.0


class Lesson(NamedTuple):
    """What is learned: uint8 photos, their targets, and photos to check on with their merged labels."""

    images: Tensor
    wanted: list[Tensor]
    check_images: Tensor | None = None
    check_labels: Tensor | None = None


class Run:
    """One training run: the student, its average, its optimiser, and how far it has come."""

    def __init__(self, settings: Settings, classes: Classes, work: Path, taught: int = 0) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.work = settings, work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        student = Student(len(classes.names), len(classes.wnids), taught)
        self.student = student.to(self.device, memory_format=torch.channels_last)
        self.average = Average(self.student)
        self.optimiser = self._optimiser()
        self.workers = Workers(self.student, settings.workers, self.device)
        self.step, self.seconds = 0, 0.0

    def _optimiser(self) -> torch.optim.Optimizer:
        weights = [p for p in self.student.parameters() if p.ndim > 1]
        others = [p for p in self.student.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": self.settings.decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.SGD(groups, lr=self.settings.peak, momentum=0.9, nesterov=True)

    def progress(self, steps_per_epoch: int) -> float:
        """From 0 to 1, by the clock or by the steps."""
        if self.settings.minutes:
            return min(1.0, self.seconds / (60 * self.settings.minutes))
        return min(1.0, self.step / (self.settings.epochs * steps_per_epoch))

    def learn(self, images: Tensor, wanted: list[Tensor], progress: float) -> float:
        """One step on one batch of uint8 photos; the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(progress, self.settings.peak)
        seed = self.settings.seed * 1_000_003 + self.step
        loss = self.workers.gradients(images, wanted, Step(photo_size(progress), mix_chance(progress), seed))
        self.optimiser.step()
        keep_positive(self.student.network.head)
        self.step += 1
        self.average.update(self.student, self.step)
        return loss

    def save(self) -> None:
        """Write the checkpoint; a kill in the middle leaves the one before."""
        state = {
            "student": self.student.state_dict(),
            "average": self.average.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, self.work / "checkpoint.tmp")
        os.replace(self.work / "checkpoint.tmp", self.work / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one."""
        path = self.work / "checkpoint.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device)
            self.student.load_state_dict(state["student"])
            self.average.student.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]

    def log(self, **values: float | int | str) -> None:
        """Add one line to the log."""
        row = {"step": self.step, "minutes": round(self.seconds / 60, 2), **values}
        with (self.work / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def order(run: Run, count: int) -> Tensor:
    """Photo indices of the current step; each epoch is one seeded shuffle."""
    steps = count // run.settings.batch
    epoch, place = divmod(run.step, steps)
    shuffle = torch.randperm(count, generator=torch.Generator().manual_seed(run.settings.seed + 7919 * epoch))
    return shuffle[place * run.settings.batch : (place + 1) * run.settings.batch]


def check(run: Run, lesson: Lesson) -> None:
    """Log the top-1 of the average on the photos to check on."""
    if lesson.check_images is not None and lesson.check_labels is not None:
        top1 = accuracy(run.average.student.network, lesson.check_images, lesson.check_labels)
        run.log(epoch=run.step * run.settings.batch // len(lesson.images), accuracy=round(top1, 4))


def train(run: Run, lesson: Lesson, stop: int = 0) -> None:
    """Train to the end of the schedule (or to step `stop`), logging, checking and saving on the way."""
    steps = len(lesson.images) // run.settings.batch
    saved, recent = run.seconds, 0.0
    bar = tqdm(total=100, initial=round(100 * run.progress(steps), 2), unit="%", bar_format="{l_bar}{bar}| {postfix}")
    while (progress := run.progress(steps)) < 1 and not (stop and run.step >= stop):
        start = time.monotonic()
        chosen = order(run, len(lesson.images))
        loss = run.learn(lesson.images[chosen], [target[chosen] for target in lesson.wanted], progress)
        recent = loss if not recent else 0.98 * recent + 0.02 * loss
        if run.step % 50 == 0:
            speed = run.settings.batch / (time.monotonic() - start)
            size = photo_size(progress)
            run.log(loss=round(recent, 4), size=size, progress=round(progress, 4), photos_per_second=round(speed))
            bar.n = round(100 * progress, 2)
            bar.set_postfix(loss=f"{recent:.3f}", size=size, speed=f"{speed:.0f}/s")
        if run.step % (steps * run.settings.check_every) == 0:
            check(run, lesson)
        run.seconds += time.monotonic() - start
        if run.seconds - saved > run.settings.save_seconds:
            run.save()
            saved = run.seconds
    bar.close()
    run.save()


def main() -> None:
    """Read the arguments, prepare what is missing, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folders(parser)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, default=0.0, help="training time, over all resumed parts")
    length.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-teacher", action="store_true", help="learn from the labels alone")
    arguments = parser.parse_args()
    data, work, classes = data_folder(arguments.data), arguments.work, read_classes()
    photos, val = load_photos(data, work, "train"), load_photos(data, work, "val")
    settings = Settings(minutes=arguments.minutes, epochs=arguments.epochs, seed=arguments.seed)
    teacher = None if arguments.no_teacher else soft_labels(data, work)
    taught = [] if arguments.no_teacher else [teacher_features(data, work)]
    run = Run(settings, classes, work, sum(features.shape[1] for features in taught))
    run.resume()
    wanted = targets(photos.fine, teacher, classes, settings.trust, settings.smoothing) + taught
    lesson = Lesson(photos.images, wanted, val.images, classes.merged_of[val.fine])
    train(run, lesson)
    check(run, lesson)


if __name__ == "__main__":
    main()
