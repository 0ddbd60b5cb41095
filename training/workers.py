"""Gradients of one batch from several threads, each with its part of the photos and one core to itself.

One thread per convolution: the libraries below wait for each other by spinning when one convolution is spread over
several cores, and stand still as soon as anything else runs on the machine.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from training.augment import augment, cutmix
from training.student import Student, loss_of, normalise


class Step(NamedTuple):
    """What holds for one batch: the size of its photos, the chance that they are mixed, the seed of its draws."""

    size: int
    mix: float
    seed: int


def replica(student: Student) -> Student:
    """A copy that shares the parameters and has running statistics of its own."""
    twin = copy.deepcopy(student)
    for mine, theirs in zip(twin.modules(), student.modules(), strict=True):
        for name, parameter in theirs.named_parameters(recurse=False):
            setattr(mine, name, parameter)
    return twin


class Workers:
    """The student and its replicas; the running statistics that count are those of the student itself."""

    def __init__(self, student: Student, count: int, device: torch.device) -> None:
        self.students = [student, *(replica(student) for _ in range(count - 1))]
        self.parameters = list(student.parameters())
        self.device = device
        self.pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def gradients(self, images: Tensor, wanted: list[Tensor], step: Step) -> float:
        """Set `.grad` of the parameters to the mean over the parts of the batch; the mean loss."""
        count = len(self.students)
        jobs = [
            self.pool.submit(self._part, student, photos, list(labels), step._replace(seed=step.seed * count + index))
            for index, (student, photos, *labels) in enumerate(
                zip(self.students, images.chunk(count), *(w.chunk(count) for w in wanted), strict=True)
            )
        ]
        losses, found = zip(*(job.result() for job in jobs), strict=True)
        for parameter, *parts in zip(self.parameters, *found, strict=True):
            parameter.grad = torch.stack(parts).mean(0)
        return sum(losses) / count

    def _part(
        self, student: Student, images: Tensor, wanted: list[Tensor], step: Step
    ) -> tuple[float, tuple[Tensor, ...]]:
        draw = torch.Generator().manual_seed(step.seed)
        photos, labels = augment(images.to(self.device), step.size, draw), [w.to(self.device) for w in wanted]
        if torch.rand((), generator=draw) < step.mix:
            photos, labels = cutmix(photos, labels, draw)
        student.train()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            loss = loss_of(student(normalise(photos)), labels)
        return float(loss.detach()), torch.autograd.grad(loss, self.parameters)
