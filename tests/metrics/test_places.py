"""Localisation metrics against tables by hand, and against their protocols as plain loops."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from heatlens.images.regions import overlap
from heatlens.metrics.contents import METRICS, find_metric
from heatlens.metrics.localisation_error import localisation_error
from heatlens.metrics.max_box_acc import inclusive_overlap
from heatlens.metrics.shared.by_class import by_class, mean_over_classes
from heatlens.metrics.shared.contours import any_contour, outline_area
from heatlens.metrics.truth import Truth
from heatlens.words.errors import BadValue
from metrics import protocol

SIDE = 32
Maps = dict[str, Any]


def smooth(random: np.random.Generator, cells: int, size: tuple[int, int]) -> Any:
    values = zoom(random.random((cells, cells)), (size[0] / cells, size[1] / cells), order=1)
    return (values - values.min()) / (values.max() - values.min())


def rings(size: int) -> Any:
    """Rings within rings, broken here and there: holes, islands in holes, touching corners."""
    y, x = np.mgrid[:size, :size] - size / 2
    values = np.abs(np.sin(np.hypot(x, y * 1.3) / 2.5)) * np.linspace(0.3, 1, size)
    return (values - values.min()) / (values.max() - values.min())


def maps() -> Maps:
    random = np.random.default_rng(7)
    found = {f"smooth {cells}": smooth(random, cells, (40, 52)) for cells in (3, 7, 20)}
    rectified = (smooth(random, 6, (48, 48)) - 0.55).clip(0)
    return {
        **found,
        "rectified": rectified / rectified.max(),
        "noise": np.append(random.random(29 * 31 - 2), [0, 1]).reshape(29, 31),
        "few levels": random.integers(0, 4, (24, 18)) / 3,
        "rings": rings(44),
        "frame": np.pad(np.zeros((20, 20)), 6, constant_values=1.0),
        "blank": np.zeros((16, 16)),
    }


@pytest.fixture(params=maps(), name="heat")
def one_map(request: pytest.FixtureRequest) -> Any:
    return maps()[request.param]


def truths(shape: tuple[int, int]) -> list[tuple[float, ...]]:
    height, width = shape
    return [(width * 0.2, height * 0.1, width * 0.75, height * 0.8), (width * 0.5, height * 0.4, width, height)]


def tensors(boxes: list[tuple[float, ...]]) -> list[torch.Tensor]:
    return [torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)]


def metric(name: str, *evidence: Any, **settings: Any) -> Any:
    return find_metric(name).function(*evidence, **settings)


# contours without OpenCV


def test_every_contour_of_every_level_is_found(heat: Any) -> None:
    levels = (heat * 255).astype(np.uint8)
    boxes, level = any_contour(levels)
    for t in range(255):
        expected = protocol.contour_boxes(levels, t, largest=False)
        assert sorted(map(tuple, boxes[level == t].tolist())) == sorted(expected)


def test_the_area_of_an_outline_is_that_of_opencv() -> None:
    random = np.random.default_rng(0)
    for share in (0.3, 0.5, 0.7):
        mask = random.random((20, 26)) < share
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        for label in range(1, count):
            part = labels == label
            (contour,) = cv2.findContours(part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
            assert outline_area(part) == cv2.contourArea(contour)


@pytest.mark.parametrize("delta", [0.3, 0.5])
def test_max_box_acc_is_the_protocol(heat: Any, delta: float) -> None:
    true = truths(heat.shape)
    for some in (true, true[:1]):
        (hits,) = metric("max_box_acc", torch.tensor(heat)[None], tensors(some), delta=delta)
        ious = protocol.best_ious(heat, some, largest=True)
        levels = [int(tau * 255) for tau in protocol.THRESHOLDS]
        assert hits[levels].tolist() == (ious >= delta).tolist()
        assert sorted(set(levels)) == list(range(255))


def test_max_box_acc_v2_is_the_protocol(heat: Any) -> None:
    for some in (truths(heat.shape), truths(heat.shape)[:1]):
        (hits,) = metric("max_box_acc_v2", torch.tensor(heat)[None], tensors(some)).reshape(1, 3, 255)
        ious = protocol.best_ious(heat, some, largest=False)
        levels = [int(tau * 255) for tau in protocol.THRESHOLDS]
        for row, delta in zip(hits, (0.3, 0.5, 0.7), strict=True):
            assert row[levels].tolist() == (ious >= delta).tolist()


@pytest.mark.parametrize("name", ["max_box_acc", "max_box_acc_v2"])
def test_the_best_threshold_is_the_data_sets_not_the_photos(name: str) -> None:
    random = np.random.default_rng(3)
    heats = [smooth(random, 5, (30, 36)) for _ in range(9)]
    true = [[tuple(np.sort(random.random((2, 2)) * (36, 30), 0).ravel())] for _ in heats]
    boxes = [b for t in true for b in tensors(t)]
    rows = metric(name, torch.tensor(np.stack(heats)), boxes).numpy()
    expected = getattr(protocol, name)(heats, true)
    assert 0 < expected < 1
    assert METRICS[name].summary(rows) == pytest.approx(expected)
    unjudged = np.concatenate([rows, np.full_like(rows[:2], np.nan)])
    assert METRICS[name].summary(unjudged) == pytest.approx(expected)


def test_the_scale_of_a_map_does_not_matter_and_its_sign_does() -> None:
    heat = torch.tensor(maps()["smooth 7"])[None]
    boxes = tensors(truths((40, 52)))
    rows = metric("max_box_acc_v2", heat, boxes)
    assert torch.equal(metric("max_box_acc_v2", heat * 4 - 3, boxes), rows)
    assert not torch.equal(metric("max_box_acc_v2", -heat, boxes), rows)


def test_a_filled_box_is_right_at_every_level_and_overlap() -> None:
    heat = torch.zeros(1, SIDE, SIDE)
    heat[:, 5:20, 8:30] = 0.7
    boxes = tensors([(8.4, 5.9, 30.0, 20.0)])  # cut to whole numbers
    assert metric("max_box_acc", heat, boxes).all()
    assert metric("max_box_acc_v2", heat, boxes).all()


def test_half_of_the_box_is_enough() -> None:
    heat = torch.zeros(2, SIDE, SIDE)
    heat[0, :4, :9] = heat[1, :4, :8] = 1  # as inclusive boxes 0 0 9 4 and 0 0 8 4, of 0 0 9 9
    boxes = tensors([(0, 0, 9, 9)]) * 2
    assert metric("max_box_acc", heat, boxes)[:, 0].tolist() == [1, 0]
    assert metric("max_box_acc_v2", heat, boxes).reshape(2, 3, 255)[..., 0].tolist() == [[1, 1, 0], [1, 0, 0]]


def test_without_true_boxes_there_is_no_value() -> None:
    heat = torch.rand(1, SIDE, SIDE)
    for name in ("max_box_acc", "max_box_acc_v2"):
        rows = metric(name, heat, tensors([]))
        assert rows.isnan().all()
        assert math.isnan(METRICS[name].summary(rows.numpy()))


# pixels


def test_px_ap_is_its_definition() -> None:
    random = np.random.default_rng(5)
    heats = [smooth(random, 4, (20, 20)) for _ in range(3)]
    masks = [random.choice([0, 0, 1, 255], (20, 20)) for _ in heats]
    rows = metric("px_ap", torch.tensor(np.stack(heats)), torch.tensor(np.stack(masks), dtype=torch.uint8))
    assert METRICS["px_ap"].summary(rows.numpy()) == pytest.approx(protocol.px_ap(heats, masks), abs=1e-9)


def test_px_ap_of_the_mask_itself_is_one_and_without_a_mask_undefined() -> None:
    mask = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    mask[0, 4:9, 3:20] = 1
    mask[1] = 255
    rows = metric("px_ap", mask.float() * 0.4, mask)
    assert rows[1].isnan().all()
    assert METRICS["px_ap"].summary(rows.numpy()) == pytest.approx(1)
    assert math.isnan(METRICS["px_ap"].summary(rows[1:].numpy()))


def test_the_pointing_game_counts_less_than_fifteen_pixels() -> None:
    heat = torch.zeros(4, 40, 60)
    mask = torch.zeros(4, 40, 60, dtype=torch.uint8)
    mask[:, 20, 10] = 1
    for image, (x, y) in enumerate([(10 + 14, 20 - 5), (10 + 9, 20 + 12), (10 + 15, 20 - 1), (10, 20)]):
        heat[image, y, x] = 1  # 14.87, 15.00, 15.03 and 0 away
    none = [torch.zeros(0, 4)] * 4
    assert metric("pointing_game", heat, none, mask).tolist() == [1, 0, 0, 1]
    assert metric("pointing_game", heat, none, mask, tolerance=0).tolist() == [0, 0, 0, 1]
    assert metric("pointing_game", heat, none, mask, tolerance=15.1).tolist() == [1, 1, 1, 1]


def test_pointing_into_a_box_where_there_is_no_mask() -> None:
    unknown = torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8)
    heat = torch.zeros(3, SIDE, SIDE)
    heat[0, 4, 7] = heat[1, 4, 8] = heat[2, 0, 0] = 1  # pixel 8 has its centre at 8.5, behind the box
    boxes = [*tensors([(2, 3, 8.4, 6)]) * 2, torch.zeros(0, 4)]
    assert metric("pointing_game", heat, boxes, unknown, tolerance=0).nan_to_num(-1).tolist() == [1, 0, -1]


def test_the_first_of_equal_peaks_is_pointed_at() -> None:
    heat = torch.zeros(2, SIDE, SIDE)
    heat[0, 3, 20] = heat[0, 9, 1] = 1
    mask = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    mask[0, 3, 20] = mask[1, 0, 0] = 1  # a blank map points at its first pixel
    assert metric("pointing_game", heat, [torch.zeros(0, 4)] * 2, mask, tolerance=0).tolist() == [1, 1]


def test_mean_iou_by_hand() -> None:
    heat = torch.zeros(3, 4, 4)
    heat[0, 0], heat[1, 0, :2] = torch.tensor([1.0, 0.5, 0.4, 0.0]), 1
    mask = torch.zeros(3, 4, 4, dtype=torch.uint8)
    mask[:, 0, 1:3] = 1
    mask[:, 0, 0] = torch.tensor([0, 255, 0])
    none = [torch.zeros(0, 4)] * 3
    assert metric("mean_iou", heat, none, mask).tolist() == pytest.approx([1 / 3, 1 / 2, 0])  # 255: not judged
    assert metric("mean_iou", heat, none, mask, threshold=0.4).tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert metric("mean_iou", heat, none, torch.full_like(mask, 255)).isnan().all()


def test_an_object_smaller_than_a_pixel_is_known_all_the_same() -> None:
    unknown = torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8)
    heat = torch.zeros(3, SIDE, SIDE)
    heat[0, 20, 9] = heat[1, 20, 10] = heat[2, 6, 31] = 1
    small = (9.6, 20.6, 9.9, 20.9)  # beside the centre of the pixel in column 9 and row 20
    boxes = [*tensors([small]) * 2, *tensors([(31.7, 2, 32, 9)])]
    assert metric("pointing_game", heat, boxes, unknown, tolerance=0).tolist() == [1, 0, 1]
    assert metric("mean_iou", heat, boxes, unknown).tolist() == pytest.approx([1, 0, 1 / 7])
    assert metric("energy_in_box", heat, boxes).tolist() == [1, 0, 1]
    outside = tensors([(40, 2, 50, 9)]) * 3
    assert metric("pointing_game", heat, outside, unknown).isnan().all()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mean_iou", {"threshold": 1.5}),
        ("mean_iou", {"threshold": math.nan}),
        ("max_box_acc", {"delta": 50}),
        ("gt_known_localisation_error", {"threshold": -0.1}),
        ("pointing_game", {"tolerance": -1}),
    ],
)
def test_settings_that_mean_nothing(name: str, settings: dict[str, float]) -> None:
    unknown = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    third = {"mean_iou": [unknown], "pointing_game": [unknown], "gt_known_localisation_error": [None]}.get(name, [])
    evidence = [torch.rand(1, 8, 8), tensors([(1, 1, 4, 4)]), *third]
    with pytest.raises(BadValue, match=next(iter(settings))):
        metric(name, *evidence, **settings)


def test_energy_in_a_box_wide_as_the_picture_is_high() -> None:
    heat = torch.zeros(3, 10, 6)
    heat[0, 9, 1], heat[0, 2, 2], heat[1, 8, 0] = 3, 1, 1
    boxes = [torch.tensor([[0.0, 7, 3, 10], [1, 9, 2, 10]]), torch.tensor([[0.0, 0, 1, 8]]), torch.zeros(0, 4)]
    assert metric("energy_in_box", heat, boxes).nan_to_num(-1).tolist() == pytest.approx([0.75, 0, -1])
    assert metric("energy_in_box", torch.zeros_like(heat), boxes)[0] == 0


# guesses

BOX = (0.0, 0, 10, 10)
HALF, LESS = (0.0, 0, 10, 5), (0.0, 0, 10, 4.99)
"""IoU exactly 0.5 with BOX, and a little less."""
FAR = (50.0, 50, 60, 60)


@pytest.mark.parametrize(
    ("guesses", "true", "error"),
    [
        ([(3, BOX)], [BOX], 0),
        ([(3, HALF)], [BOX], 0),
        ([(3, LESS)], [BOX], 1),
        ([(4, BOX)], [BOX], 1),
        ([(3, HALF)], [FAR, BOX], 0),
        ([(3, FAR), (4, BOX)], [BOX], 1),
        ([(4, BOX), (5, BOX), (6, BOX), (7, BOX), (3, HALF)], [BOX], 0),
        ([(4, BOX), (5, BOX), (6, BOX), (7, BOX), (3, LESS)], [BOX], 1),
        ([(3, LESS), (3, HALF)], [BOX], 0),
        ([(3, None)], [BOX], 1),
        ([], [BOX], 1),
    ],
)
def test_ilsvrc_errors(guesses: Any, true: Any, error: float) -> None:
    assert localisation_error(guesses, Truth(3, tuple(true))) == error


def test_inclusive_boxes_overlap_by_half_where_half_open_ones_of_the_same_numbers_do_not() -> None:
    first, second = np.array([[0.0, 0, 9, 9]]), np.array([[0.0, 0, 9, 4]])
    assert inclusive_overlap(first, second)[0, 0] == 0.5 == protocol.inclusive_iou((0, 0, 9, 9), (0, 0, 9, 4))
    assert overlap(first, second)[0, 0] == pytest.approx(4 / 9)
    one = np.array([0, 0, 1, 1])
    assert overlap(first + one, second + one)[0, 0] == 0.5


@pytest.mark.parametrize("box", [(3, 0, 3, 5), (4, 0, 3, 5), (0, 5, 9, 5), (0, 0, 1)])
def test_boxes_that_are_none(box: Any) -> None:
    with pytest.raises(BadValue, match="x0 < x1"):
        Truth(3, (BOX, box))


def test_photos_on_the_blacklist_have_no_error() -> None:
    assert math.isnan(localisation_error([(3, BOX)], Truth(3)))
    assert math.isnan(localisation_error([(3, BOX)], Truth(None, (BOX,))))


def test_errors_of_maps_by_hand() -> None:
    heat = torch.zeros(5, 20, 20)
    heat[:, 2:8, 2:8] = 0.3
    heat[:, 4, 4] = 1
    heat[:, 15:17, 15:17] = 0.9  # the smaller region, though hotter
    heat[3] = 0
    boxes = [*tensors([(2, 2, 8, 8)]) * 4, torch.zeros(0, 4)]
    labels = torch.tensor([7, 7, 7, 7, 7])
    order = [[7, 1, 2, 3, 4, 5], [1, 2, 3, 4, 7, 5], [1, 2, 3, 4, 5, 7], [7, 1, 2, 3, 4, 5], [7, 1, 2, 3, 4, 5]]
    ranking = torch.tensor(order)

    def errors(name: str, *more: Any, **settings: Any) -> list[float]:
        values: list[float] = metric(name, heat, boxes, *more, None, **settings).nan_to_num(-1).tolist()
        return values

    assert errors("top1_localisation_error", labels, ranking) == [0, 1, 1, 1, -1]
    assert errors("top5_localisation_error", labels, ranking) == [0, 0, 1, 1, -1]
    assert errors("gt_known_localisation_error") == [0, 0, 0, 1, -1]
    assert errors("gt_known_localisation_error", threshold=0.3) == [1, 1, 1, 1, -1]  # strictly above
    assert metric("top1_localisation_error", heat, boxes, torch.full((5,), -1), ranking, None).isnan().all()
    assert metric("top1_classification_error", labels, ranking).tolist() == [0, 1, 1, 0, 0]
    assert metric("top5_classification_error", labels, ranking).tolist() == [0, 0, 1, 0, 0]
    assert metric("top1_classification_error", torch.full((5,), -1), ranking).isnan().all()


def test_overlap_and_recall_by_hand() -> None:
    """The box 2 2 8 8 with 2 2 8 11: IoU and recall 36/54; with 0 0 8 8: 36/64; the better one counts."""
    heat = torch.zeros(4, 20, 20)
    heat[:3, 2:8, 2:8] = 1
    boxes = [
        *tensors([(0, 0, 8, 8), (2, 2, 8, 11)]),
        *tensors([(4, 4, 6, 8)]),
        torch.zeros(0, 4),
        *tensors([(0, 0, 8, 8)]),
    ]
    assert metric("box_iou", heat, boxes, None).nan_to_num(-1).tolist() == pytest.approx([36 / 54, 8 / 36, -1, 0])
    assert metric("box_recall", heat, boxes, None).nan_to_num(-1).tolist() == pytest.approx([36 / 54, 1, -1, 0])


# classes


def test_class_by_class() -> None:
    table = by_class([1, 0, float("nan"), 1], ["cat", "dog", "dog", "cat"])
    assert table == {"cat": (1, 2), "dog": (0, 2)}
    assert mean_over_classes(table) == 0.5
    assert mean_over_classes(by_class([1, 1, 1, 0], [1, 1, 1, 2])) == 0.5
    with pytest.raises(BadValue, match="2 values and 1 labels"):
        by_class([1, 2], [0])


def test_class_by_class_with_a_metrics_own_summary() -> None:
    rows = np.zeros((3, 255))
    rows[0, 10:40] = rows[1, 30:90] = rows[2, 100:] = 1
    table = by_class(rows, [0, 0, 1], METRICS["max_box_acc"].summary)
    assert table == {0: (1.0, 2), 1: (1.0, 1)}
    assert METRICS["max_box_acc"].summary(rows) == pytest.approx(2 / 3)
