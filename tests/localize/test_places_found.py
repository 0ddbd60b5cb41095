"""Thresholds, boxes, points and masks against what a hand, a formula or another library finds."""

import math
import sys
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from skimage.filters import threshold_otsu

from heatlens.images.regions import hole_boxes, overlap, regions
from heatlens.localize import above, find_boxes, find_points, first_five, grabcut, merged, search
from heatlens.words.errors import BadValue, MissingExtra, UnknownName

PHOTO = np.zeros((60, 80, 3), np.uint8)


def gaussian(x: float, y: float, sigma: float, shape: tuple[int, int] = (60, 80)) -> Any:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def rectangles(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (60, 80)) -> Any:
    mask = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


# thresholds


@pytest.mark.parametrize("share", [0.15, 0.2, 0.5])
def test_the_box_of_a_blob_is_its_level_set(share: float) -> None:
    radius = 7 * math.sqrt(-2 * math.log(share))
    (box,) = search(3 * gaussian(40, 30, 7), PHOTO, threshold=share)
    inside = math.floor(radius)
    assert box == (40 - inside, 30 - inside, 40 + inside + 1, 30 + inside + 1)


def test_a_value_at_the_threshold_is_not_above_it() -> None:
    values = np.array([[0.0, 0.2, 0.21, 1.0]], np.float32)
    assert above(values, "fixed:0.2").tolist() == [[False, False, True, True]]
    assert above(values * 5, 0.2).tolist() == [[False, False, True, True]]
    assert above(values, "max:0.21").tolist() == [[False, False, False, True]]


def test_thresholds_of_every_kind() -> None:
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32) ** 3
    assert above(values, "percentile:90").sum() == 60
    assert (above(values, "otsu") == (values > threshold_otsu(values))).all()
    assert (above(values, 0.0) == (values > 0)).all()
    assert (above(values, lambda v: float(np.median(v))) == (values > np.median(values))).all()
    assert above(values, "fixed:-1").all()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.filters", None)
    with pytest.raises(MissingExtra, match=r'pip install "heatlens\[localize\]"'):
        above(np.ones((3, 3), np.float32), "otsu")


def test_pixels_that_were_not_seen_are_neither_marked_nor_counted() -> None:
    values = np.array([[9.0, 1.0, 0.6, 0.4]], np.float32)
    seen = np.array([[False, True, True, True]])
    assert above(values, 0.5, seen).tolist() == [[False, True, True, False]]
    assert above(values, "percentile:50", seen).tolist() == [[False, True, False, False]]
    assert not above(values, 0.5, np.zeros_like(seen)).any()


def test_maps_without_contrast() -> None:
    flat = np.full((60, 80), 0.7, np.float32)
    assert search(flat, PHOTO) == [(0, 0, 80, 60)]
    assert search(0 * flat, PHOTO) == search(-flat, PHOTO) == search(flat, PHOTO, threshold="otsu") == []


@pytest.mark.parametrize(
    "threshold", [1, 1.5, -0.1, "max:1", "percentile:101", "percentile", "half", "fixed:", "otsu:3"]
)
def test_thresholds_that_mean_nothing_are_refused(threshold: Any) -> None:
    with pytest.raises(BadValue, match="share of the maximum such as"):
        above(np.ones((3, 3), np.float32), threshold)


# regions and boxes


def test_regions_are_those_of_opencv() -> None:
    random = np.random.default_rng(1)
    for share in (0.2, 0.4, 0.6, 0.8):
        mask = random.random((31, 43)) < share
        count, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        x, y, wide, high, area = facts[1:].T
        found = regions(mask)
        expected = sorted(zip(x, y, x + wide, y + high, area, strict=True))
        assert sorted((*b, a) for b, a in zip(found.boxes.tolist(), found.areas.tolist(), strict=True)) == expected
        assert len(found) == count - 1
        contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        holes = [cv2.boundingRect(c) for c, link in zip(contours, tree[0], strict=True) if link[3] >= 0]
        expected_holes = sorted((x, y, x + wide, y + high) for x, y, wide, high in holes)
        assert sorted(map(tuple, hole_boxes(mask).tolist())) == expected_holes


def test_corners_connect() -> None:
    assert find_boxes(np.eye(4, dtype=bool)) == [(0, 0, 4, 4)]


def test_the_largest_region_and_the_widest_box_differ() -> None:
    mask = rectangles((0, 0, 10, 10))
    mask[np.arange(20, 50), np.arange(20, 50)] = True  # a line: few pixels, a large box
    assert find_boxes(mask) == find_boxes(mask, pick="largest") == [(0, 0, 10, 10)]
    assert find_boxes(mask, pick="widest") == [(20, 20, 50, 50)]
    assert find_boxes(rectangles((5, 5, 8, 8), (20, 2, 23, 5))) == [(20, 2, 23, 5)]  # the first one read among equals


def test_all_regions_that_are_large_enough_the_largest_first() -> None:
    mask = rectangles((2, 2, 12, 10), (30, 5, 50, 25), (70, 50, 72, 52))
    assert find_boxes(mask, pick="all") == [(30, 5, 50, 25), (2, 2, 12, 10)]
    assert len(find_boxes(mask, pick="all", min_area=0)) == 3
    assert find_boxes(mask, pick="all", min_area=0.5) == []


def test_nested_and_overlapping_boxes_become_one() -> None:
    frame = rectangles((10, 10, 40, 40)) & ~rectangles((12, 12, 38, 38))
    island = rectangles((20, 20, 30, 30))
    assert find_boxes(frame | island, pick="all") == [(10, 10, 40, 40)]
    boxes = np.array([[0.0, 0, 10, 10], [6, 0, 16, 10], [3, 0, 12, 10], [50, 50, 60, 60]])
    assert merged(boxes, 0.5).tolist() == [[0, 0, 16, 10], [50, 50, 60, 60]]  # joined by the third
    assert len(merged(boxes[:2], 0.4)) == 2  # 40 % in common is not more
    assert merged(boxes[:2], 0.39).tolist() == [[0, 0, 16, 10]]
    assert len(merged(boxes, 1.0)) == 4


def test_merged_boxes_have_little_in_common() -> None:
    random = np.random.default_rng(4)
    corner = random.integers(0, 60, (40, 2))
    found = merged(np.concatenate([corner, corner + random.integers(2, 25, (40, 2))], 1).astype(float), 0.3)
    for i, a in enumerate(found):
        for b in found[i + 1 :]:
            wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
            assert max(wide, 0) * max(high, 0) <= 0.3 * smaller


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"pick": "biggest"}, UnknownName),
        ({"refine": "crf"}, UnknownName),
        ({"pick": "all", "min_area": 2}, BadValue),
        ({"pick": "all", "merge": -1}, BadValue),
        ({"pick": "release", "thresholds": (0, 300)}, BadValue),
        ({"pick": "release", "threshold": 0.2}, BadValue),
        ({"pick": "release", "refine": "grabcut"}, BadValue),
    ],
)
def test_wrong_wishes(how: Any, error: type) -> None:
    with pytest.raises(error):
        search(gaussian(40, 30, 7), PHOTO, **how)


def test_overlap_by_hand() -> None:
    found = overlap(np.array([[0.0, 0, 4, 2], [0, 0, 0, 0]]), np.array([[2.0, 0, 6, 2], [9, 9, 10, 10]]))
    assert found.tolist() == [[pytest.approx(4 / 12), 0], [0, 0]]


# points


def test_every_peak_the_highest_first() -> None:
    values = np.maximum(gaussian(20, 20, 4), 0.8 * gaussian(60, 40, 4)) + 0.1 * gaussian(40, 8, 2)
    assert find_points(values, threshold=0.3) == [(20, 20), (60, 40)]
    assert find_points(values, threshold=0.05) == [(20, 20), (60, 40), (40, 8)]
    assert find_points(values, count=1) == [(20, 20)]


def test_a_plateau_is_one_point_and_equals_come_as_they_are_read() -> None:
    values = np.zeros((20, 30), np.float32)
    values[3:6, 20:24] = values[10, 5] = 1
    values[15, 15:18] = (0.5, 1, 0.5)
    assert find_points(values, distance=0) == [(20, 3), (5, 10), (16, 15)]
    assert find_points(np.ones((4, 5), np.float32)) == [(0, 0)]
    assert find_points(np.zeros((4, 5), np.float32)) == []


def test_a_shoulder_is_no_peak() -> None:
    values = np.array([[0, 0.5, 0.5, 0.5, 1.0, 0]], np.float32)
    assert find_points(values, distance=0) == [(4, 0)]


def test_of_near_points_the_higher_stays() -> None:
    values = np.zeros((40, 40), np.float32)
    values[20, 20], values[20, 23], values[20, 30] = 0.9, 1.0, 0.8
    assert find_points(values, distance=0.1) == [(23, 20), (30, 20)]
    assert find_points(values, distance=0.075) == [
        (23, 20),
        (20, 20),
        (30, 20),
    ]  # 3 is not nearer than 3
    with pytest.raises(BadValue, match="count=0"):
        find_points(values, count=0)


# GrabCut


def disc(side: int = 60) -> tuple[Any, Any]:
    y, x = np.mgrid[:side, :side]
    inside = np.hypot(x - 30, y - 30) < 18
    noise = np.random.default_rng(0).normal(0, 4, (side, side, 3))
    photo = np.where(inside[..., None], (200, 60, 40), (40, 90, 160)) + noise
    return photo.clip(0, 255).astype(np.uint8), inside


def test_grabcut_grows_to_the_edges_of_the_thing() -> None:
    photo, inside = disc()
    heat = gaussian(30, 30, 6, (60, 60))
    rough = above(heat, 0.15)
    fine = grabcut(photo, rough)
    assert overlap_of(rough, inside) < 0.5
    assert overlap_of(fine, inside) > 0.97
    assert fine[rough].all()
    assert (grabcut(photo, rough) == fine).all()
    assert search(heat, photo, threshold=0.15, refine="grabcut") == [(13, 13, 48, 48)]


def overlap_of(mask: Any, other: Any) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_grabcut_leaves_what_has_no_edge_and_what_was_not_seen() -> None:
    photo, inside = disc()
    for mask in (np.zeros_like(inside), np.ones_like(inside)):
        assert (grabcut(photo, mask) == mask).all()
    seen = np.ones_like(inside)
    seen[:, 35:] = False
    assert search(gaussian(30, 30, 6, (60, 60)), photo, seen, threshold=0.15, refine="grabcut")[0][2] == 35


def test_grabcut_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, inside = disc()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r'pip install "heatlens\[grabcut\]"'):
        grabcut(photo, inside)


# guesses


def test_five_guesses_as_the_release_makes_them() -> None:
    boxes = [[(float(c), float(k), 9.0, 9.0) for k in range(3)] for c in range(4)]
    assert [(rank, box[:2]) for rank, box in first_five(boxes)] == [
        (0, (0, 0)), (0, (0, 1)), (1, (1, 0)), (1, (1, 1)), (2, (2, 0)),
    ]  # fmt: skip
    assert [rank for rank, _ in first_five([boxes[0][:1], [], boxes[2]])] == [0, 2]


def test_points_and_boxes_come_in_order() -> None:
    values = np.random.default_rng(2).random((50, 50)).astype(np.float32)
    heights = [values[y, x] for x, y in find_points(values, distance=0)]
    assert all(a >= b for a, b in pairwise(heights))
