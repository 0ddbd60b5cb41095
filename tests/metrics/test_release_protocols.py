"""The CAM release's evaluation and LayerCAM's, as plain loops over all five classes' maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import heatlens
from heatlens.images import Photo, Preprocessing, prepare, read_photo, to_photo
from heatlens.localize import search
from heatlens.words.errors import BadSetting
from heatlens.words.notation import unit_peak
from helpers.networks import Gap

CLASSES = 7
Box = tuple[float, ...]
PROTOCOLS: dict[str, dict[str, Any]] = {
    "release": {"pick": "release"},
    "widest": {"pick": "widest", "threshold": 0.15},
    "grabcut": {"pick": "widest", "refine": "grabcut", "threshold": 0.15},
}
ORDERS = {
    "loose": [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)],
    "tight": [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)],
    "both": [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)],
}
"""ILSVRC_evaluate_bbox.m: predictionResult_bbox1, _bbox2 and _bboxCombine."""


@pytest.fixture(scope="module")
def subject() -> heatlens.Subject:
    torch.manual_seed(3)
    shown = Preprocessing(size=(48, 48), resize="squash", mean=(0.5,) * 3, std=(0.25,) * 3)
    model = Gap(classes=CLASSES).eval()
    torch.nn.init.uniform_(model.head.weight)  # every class sees something
    return heatlens.Subject("gap", model, shown, layers=("relu",))


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    """Blobs of colours on noise, of several sizes."""
    random = np.random.default_rng(0)
    found = []
    for i, (height, width) in enumerate([(90, 120), (120, 90), (100, 100), (80, 140), (110, 95), (96, 128)]):
        y, x = np.mgrid[:height, :width]
        blob = np.exp(-(((y - height * random.random()) / 18) ** 2) - ((x - width * random.random()) / 25) ** 2)
        picture = 40 * random.random((height, width, 3)) + 200 * blob[..., None] * np.roll([1, 0.3, 0.1], i)
        found.append(read_photo(picture.astype(np.uint8)))
    return found


def maps_of(subject: heatlens.Subject, photo: Photo, classes: Sequence[int]) -> list[NDArray[np.float32]]:
    """Each class's heat on the photo's own pixels."""
    image, placement = prepare(photo, subject.preprocessing)
    raw = heatlens.attribute(subject, image[None].expand(len(classes), -1, -1, -1), target=list(classes))
    return [to_photo(unit_peak(one[None])[0], placement).numpy() for one in raw]


def iou(a: Box, b: Box) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def ranked(subject: heatlens.Subject, photo: Photo) -> list[int]:
    image, _ = prepare(photo, subject.preprocessing)
    with torch.no_grad():
        order: list[int] = subject.model(image[None])[0].argsort(descending=True).tolist()
    return order


def simple_evaluation(predicted: Sequence[tuple[int, Box | None]], label: int, true: Sequence[Box]) -> tuple[int, int]:
    """simpleEvaluation.m for one photo: classification error, localisation error."""
    wrong_class = min(int(name != label) for name, _ in predicted)
    errors = []
    for name, box in predicted:
        missed = 1
        if name == label and box is not None:
            missed = min(int(iou(box, one) < 0.5) for one in true)
        errors.append(max(missed, int(name != label)))
    return wrong_class, min(errors)


def truths(subject: heatlens.Subject, photos: Sequence[Photo]) -> list[heatlens.Truth]:
    """Labels at every rank, and boxes that are hit by some guesses and missed by others."""
    found = []
    for i, photo in enumerate(photos):
        label = ranked(subject, photo)[[0, 1, 2, 4, 5, 0][i]]
        (heat,) = maps_of(subject, photo, [label])
        boxes = search(heat, photo.pixels, pick="release")
        x0, y0, x1, y1 = boxes[i % min(2, len(boxes))]
        true = ((x0, y0, (x0 + x1) / 2 + 1, y1) if i == 4 else (x0, y0, x1, y1), (0.0, 0.0, 9.0, 9.0))
        found.append(heatlens.Truth(label, true))
    return found


@pytest.mark.parametrize("guess", ORDERS)
@pytest.mark.parametrize("count", [1, 5])
def test_the_releases_errors(guess: str, count: int, subject: heatlens.Subject, photos: list[Photo]) -> None:
    """One map per photo, its true class's, gives what five classes' maps give."""
    expected = []
    true = truths(subject, photos)
    for photo, truth in zip(photos, true, strict=True):
        classes = ranked(subject, photo)[:5]
        boxes = [search(heat, photo.pixels, pick="release") for heat in maps_of(subject, photo, classes)]
        guesses = [
            (classes[rank], boxes[rank][k] if k < len(boxes[rank]) else None) for rank, k in ORDERS[guess][:count]
        ]
        assert truth.label is not None
        expected.append(simple_evaluation(guesses, truth.label, truth.boxes)[1])
    name = f"top{count}_localisation_error:pick=release,guess={guess}".removesuffix(",guess=loose")
    found = heatlens.measure(subject, photos, name, target="label", truths=true)
    assert [one[name] for one in found] == expected
    if (guess, count) in (("loose", 5), ("both", 5)):
        assert 0 < sum(expected) < len(expected)


def test_classification_errors_stand_beside(subject: heatlens.Subject, photos: list[Photo]) -> None:
    names = ["top1_classification_error", "top5_classification_error"]
    found = heatlens.measure(subject, photos, names, target="label", truths=truths(subject, photos))
    assert [[one[name] for one in found] for name in names] == [[0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 0]]


@pytest.mark.parametrize("pick", PROTOCOLS)
def test_overlap_recall_and_gt_known_on_the_photos_own_pixels(
    pick: str, subject: heatlens.Subject, photos: list[Photo]
) -> None:
    """LayerCAM's scripts/test.py: the true box with the best IoU gives the recall, and IoU >= 0.5 is GT-known."""
    words = f"pick={pick}" if pick == "release" else f"threshold=0.15,pick={pick}"
    names = [f"{name}:{words}" for name in ("box_iou", "box_recall", "gt_known_localisation_error")]
    true = truths(subject, photos)
    found = heatlens.measure(subject, photos, names, target="label", truths=true)
    for photo, truth, values in zip(photos, true, found, strict=True):
        assert truth.label is not None
        (heat,) = maps_of(subject, photo, [truth.label])
        box = search(heat, photo.pixels, **PROTOCOLS[pick])[0]
        ious = [iou(box, one) for one in truth.boxes]
        best = truth.boxes[int(np.argmax(ious))]
        wide, high = min(box[2], best[2]) - max(box[0], best[0]), min(box[3], best[3]) - max(box[1], best[1])
        recall = max(wide, 0) * max(high, 0) / ((best[2] - best[0]) * (best[3] - best[1]))
        assert list(values.values()) == pytest.approx([max(ious), recall, float(max(ious) < 0.5)])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("top1_localisation_error:guess=tight", "guess='tight' with pick='largest'"),
        ("top5_localisation_error:pick=widest,guess=both", "guess='both' with pick='widest'"),
        ("box_iou:pick=release,threshold=0.3", "threshold=0.3 with pick='release'"),
        ("box_iou:pick=smallest", "pick='smallest'"),
    ],
)
def test_settings_that_do_not_go_together(name: str, said: str, subject: heatlens.Subject, photos: list[Photo]) -> None:
    with pytest.raises(BadSetting, match=said):
        heatlens.measure(subject, photos[0], name, truths=heatlens.Truth(1, ((0, 0, 9, 9),)), target="label")
