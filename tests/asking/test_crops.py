"""Ten crops choose the classes, as the release of CAM has it: sorted by the mean of what the crops say."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import ten_crop

import heatlens
from heatlens.images import Photo, Preprocessing, prepare, read_photo
from heatlens.methods.centre import centre
from helpers.networks import Gap

WIDE = Preprocessing(size=(64, 64), resize="squash", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture(scope="module")
def subject() -> heatlens.Subject:
    """Sees the middle 48x48 of a photo squashed to 64x64."""
    torch.manual_seed(0)
    shown = Preprocessing(size=(48, 48), resize="squash", shorter_side=64, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = Gap(classes=9).eval()
    torch.nn.init.normal_(model.head.weight, 0, 20)
    return heatlens.Subject("gap", model, shown, layers=("relu",))


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    """One colour, with edges of others that the centre does not see, and stripes."""
    found = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        pixels = np.full((80, 100, 3), 40, np.uint8)
        for edge in (np.s_[:], np.s_[:13], np.s_[-9:], np.s_[:, :12]):
            pixels[edge] = random.integers(0, 256, 3)
        pixels[::2] = (pixels[::2].astype(int) + 20).clip(0, 255)
        found.append(read_photo(pixels))
    return found


def by_hand(subject: heatlens.Subject, photo: Photo) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean of the ten crops' probabilities, and those of the middle crop."""
    image, _ = prepare(photo, WIDE)
    with torch.no_grad():
        crops = subject.model(torch.stack(ten_crop(image, 48))).softmax(1)
    return crops.mean(0), crops[4]


def test_the_mean_of_the_crops_chooses(subject: heatlens.Subject, photos: list[Photo]) -> None:
    found = heatlens.explain(subject, photos, method="cam", target=["#1", "#2"], average="crops")
    differ = 0
    for photo, first, second in zip(photos, found[::2], found[1::2], strict=True):
        mean, middle = by_hand(subject, photo)
        order = mean.argsort(descending=True)
        assert [first.index, second.index] == order[:2].tolist()
        assert first.probability == pytest.approx(float(mean.max()), rel=1e-4)
        assert [p for _, p in first.predictions] == pytest.approx(mean[order[:5]].tolist(), rel=1e-4)
        differ += int(middle.argmax()) != first.index
    assert differ
    plain = heatlens.explain(subject, photos, method="cam", average="crops:choose=centre")
    assert [one.index for one in plain] == [int(by_hand(subject, photo)[1].argmax()) for photo in photos]
    assert plain[0].probability == pytest.approx(float(by_hand(subject, photos[0])[1].max()), rel=1e-4)


def test_the_chosen_class_is_the_one_that_is_explained(subject: heatlens.Subject, photos: list[Photo]) -> None:
    for photo in photos:
        chosen = heatlens.explain(subject, photo, method="cam", average="crops")
        named = heatlens.explain(subject, photo, method="cam", average="crops", target=chosen.index)
        assert (chosen.raw == named.raw).all()


def test_beside_other_averages_nothing_but_the_photo_chooses(subject: heatlens.Subject, photos: list[Photo]) -> None:
    recipes = [heatlens.Recipe("cam", average="crops"), heatlens.Recipe("cam", average="flips")]
    found = heatlens.explain(subject, photos, method=recipes)
    assert [one.index for one in found[::2]] == [one.index for one in found[1::2]]


def test_measured_with_crops(subject: heatlens.Subject, photos: list[Photo]) -> None:
    """The classes of the ranking are the crops'; the map is that of explain; the centre stands beside, of the whole."""
    names = ["top1_classification_error", "top5_classification_error", "box_iou:pick=widest"]
    recipes: list[Any] = [heatlens.Recipe("cam", average="crops"), heatlens.Recipe("centre")]
    true = [heatlens.Truth(int(by_hand(subject, photo)[0].argsort()[-2]), ((10, 10, 60, 60),)) for photo in photos]
    found = heatlens.measure(subject, photos, names, method=recipes, truths=true, target="label")
    assert [one[names[0]] for one in found] == [1.0] * 12
    assert [one[names[1]] for one in found] == [0.0] * 12
    for photo, truth, measured in zip(photos, true, found[::2], strict=True):
        boxes = heatlens.explain(subject, photo, method="cam", target=truth.label, average="crops").boxes(
            pick="widest", threshold=0.2
        )
        x0, y0, x1, y1 = boxes[0]
        wide, high = min(x1, 60) - max(x0, 10), min(y1, 60) - max(y0, 10)
        common = max(wide, 0) * max(high, 0)
        assert measured[names[2]] == pytest.approx(common / ((x1 - x0) * (y1 - y0) + 2500 - common), abs=0.02)
    maps = heatlens.attribute(subject, torch.rand(1, 3, 64, 64), method=[
        heatlens.Recipe("centre"), heatlens.Recipe("cam", average="crops:size=48+48"),
    ])  # fmt: skip
    torch.testing.assert_close(maps["centre"], centre(torch.rand(1, 3, 64, 64)))
