"""The training scripts on synthetic photos: seeds, targets, resuming. Seconds, no data needed."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from training.augment import augment, cutmix
from training.data import read_classes
from training.schedule import learning_rate, photo_size
from training.student import Student, loss_of, merge, normalise, targets
from training.train import Lesson, Run, Settings, train
from training.workers import Step, Workers

CLASSES = read_classes()


@pytest.fixture
def photos() -> torch.Tensor:
    return torch.randint(0, 256, (12, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_repeats_with_its_seed_and_differs_without(photos: torch.Tensor) -> None:
    first = augment(photos, 96, seeded(3))
    assert first.shape == (12, 3, 96, 96)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, augment(photos, 96, seeded(3)))
    assert not torch.equal(first, augment(photos, 96, seeded(4)))


def test_cutmix_mixes_targets_by_the_area_it_pastes() -> None:
    photos = torch.stack([torch.zeros(3, 40, 40), torch.ones(3, 40, 40)])
    mixed, (target,) = cutmix(photos, [torch.eye(2)], seeded(0))
    assert_close(mixed[0].mean(), target[0, 1])
    assert_close(mixed[1].mean(), target[1, 1])


def test_targets_are_probabilities_of_the_merged_and_the_fine_classes() -> None:
    fine = torch.tensor([0, 5, 85])
    teacher = torch.full((3, 86), 1 / 86).log()
    merged, finest = targets(fine, teacher, CLASSES, trust=0.5, smoothing=0.1)
    assert_close(merged.sum(1), torch.ones(3))
    assert_close(finest.sum(1), torch.ones(3))
    assert finest.argmax(1).tolist() == [0, 5, 85]
    assert_close(finest[0, 0], torch.tensor(0.5 * (0.9 + 0.1 / 86) + 0.5 / 86))


def test_merging_sums_the_wnids_of_a_class() -> None:
    dog = CLASSES.names.index("dog")
    assert_close(merge(torch.full((1, 86), 1 / 86), CLASSES)[0, dog], torch.tensor(6 / 86))


def test_the_learning_rate_ends_at_zero_and_photos_grow() -> None:
    assert learning_rate(0.02, 0.1) == pytest.approx(0.1)
    assert learning_rate(0.51, 0.1) == pytest.approx(0.05)
    assert learning_rate(1.0, 0.1) == pytest.approx(0.0)
    assert [photo_size(p) for p in (0.0, 0.49, 0.5, 1.0)] == [64, 64, 96, 96]


def small_run(work: Path) -> Run:
    return Run(Settings(epochs=1, batch=2, seed=5), CLASSES, work)


def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path: Path, photos: torch.Tensor) -> None:
    wanted = targets(torch.arange(12), None, CLASSES, 0.0, 0.1)
    lesson = Lesson(photos, wanted)
    whole = small_run(tmp_path / "whole")
    whole.work.mkdir()
    train(whole, lesson, stop=4)

    halves = tmp_path / "halves"
    halves.mkdir()
    train(small_run(halves), lesson, stop=2)
    resumed = small_run(halves)
    resumed.resume()
    assert resumed.step == 2
    train(resumed, lesson, stop=4)

    for name, value in whole.student.state_dict().items():
        assert torch.equal(value, resumed.student.state_dict()[name]), name
    for name, value in whole.average.student.state_dict().items():
        assert torch.equal(value, resumed.average.student.state_dict()[name]), name


def test_two_workers_give_the_gradient_of_two_halves(photos: torch.Tensor) -> None:
    torch.manual_seed(0)
    student = Student(len(CLASSES.names), 86, taught=4)
    wanted = [*targets(torch.arange(12), None, CLASSES, 0.0, 0.1), torch.randn(12, 4)]
    loss = Workers(student, 2, torch.device("cpu")).gradients(photos, wanted, Step(64, 0.0, seed=9))
    halves = []
    for index, half in enumerate((slice(6), slice(6, 12))):
        cut = normalise(augment(photos[half], 64, seeded(18 + index)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = student(cut)
            halves.append(loss_of(scores, [target[half] for target in wanted]))
    expected = torch.autograd.grad(sum(halves) / 2, student.network.head.weight)[0]
    assert loss == pytest.approx(sum(float(half.detach()) for half in halves) / 2, rel=1e-3)
    assert_close(student.network.head.weight.grad, expected, rtol=0.02, atol=1e-4)
