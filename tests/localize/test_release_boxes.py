"""The CAM release's boxes against its program's steps with OpenCV, and by hand."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from heatlens.localize import release_boxes
from heatlens.localize.release import _thinned

Rect = tuple[int, int, int, int]


def by_the_program(levels: Any, thresholds: tuple[int, ...]) -> list[Rect]:
    """x, y, width, height, before boxes are taken away."""
    height, width = levels.shape
    found = []
    for threshold in thresholds:
        mask = (levels > threshold).astype(np.uint8) * 255
        if 0 < mask.mean() < 255:
            depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(float)
            mask = ((depth * (255 / depth.max()) + 0.5).astype(int) > 10).astype(np.uint8)
        for contour in cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]:
            x, y, wide, high = cv2.boundingRect(contour)
            found.append((x, y, min(wide, width - x - 5), min(high, height - y - 5)))
    return sorted(rect for rect in found if rect[2] > 0 and rect[3] > 0)


def taken_away(rects: list[Rect]) -> list[Rect]:
    """The program's loop, erasing as it goes."""
    left = list(rects)
    i = 0
    while i < len(left):
        j = i + 1
        while j < len(left):
            (x, y, w, h), (u, v, s, t) = left[i], left[j]
            common = max(0, min(x + w, u + s) - max(x, u)) * max(0, min(y + h, v + t) - max(y, v))
            if common > int(max(w * h, s * t) * 0.5):
                left.pop(j)
            j += 1
        i += 1
    return left


def maps() -> dict[str, Any]:
    y, x = np.mgrid[:90, :120]

    def blob(cx: float, cy: float, sigma: float) -> Any:
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))

    ring = np.exp(-((np.hypot(x - 55, y - 45) - 28) ** 2) / 40)
    noise = cv2.GaussianBlur(np.random.default_rng(3).random((90, 120)), (0, 0), 5)
    return {
        "one": blob(50, 40, 12),
        "two": np.maximum(blob(30, 40, 9), 0.7 * blob(90, 50, 13)),
        "ring": np.maximum(ring, 0.6 * blob(55, 45, 6)),
        "edge": blob(115, 85, 20),
        "noise": (noise - noise.min()) / (noise.max() - noise.min()),
    }


@pytest.mark.parametrize("name", maps())
@pytest.mark.parametrize("thresholds", [(20, 100, 110), (30, 90, 150)])
def test_boxes_are_the_programs(name: str, thresholds: tuple[int, ...]) -> None:
    values = maps()[name]
    levels = np.round(values / values.max() * 255).astype(np.uint8)
    rects = by_the_program(levels, thresholds)
    falling = sorted(rects, key=lambda r: -r[2] * r[3])
    found = release_boxes(3 * values, thresholds)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in found]
    assert areas == sorted(areas, reverse=True)
    assert {(x, y, x + w, y + h) for x, y, w, h in rects} >= set(found)
    sizes = [w * h for _, _, w, h in falling]
    if len(set(sizes)) == len(sizes):  # else the order of equals decides
        assert found == [(x, y, x + w, y + h) for x, y, w, h in taken_away(falling)]
    x, y, wide, high = falling[0]
    assert found[0] == (x, y, x + wide, y + high)


def test_a_hole_has_a_box_of_its_own() -> None:
    values = np.zeros((80, 80))
    values[10:60, 10:60] = 1
    values[25:45, 25:45] = 0  # the hole's box holds the rim around it, and more where the frame lost its skin
    found = release_boxes(values, (20,))
    assert len(found) == 2
    loose, hole = found
    assert loose[0] >= 10
    assert hole[0] < 25
    assert hole[2] > 45


def test_the_loop_steps_over_the_box_behind_one_that_it_took_away() -> None:
    first = [0.0, 0, 100, 100]
    second, third = [0.0, 0, 100, 90], [0.0, 0, 100, 80]
    far = [200.0, 200, 210, 210]
    assert _thinned([first, second, third, far]) == [first, third, far]
    assert _thinned([first, second, far]) == [first, far]
    assert _thinned([first, second, third, [0.0, 0, 100, 70]]) == [first, third]


def test_a_single_box_and_none() -> None:
    values = np.zeros((60, 60))
    values[10:30, 10:30], values[57:, 57:] = 0.3, 1  # the hottest place is where boxes end
    assert len(release_boxes(values)) == 1
    assert release_boxes(np.zeros((40, 40))) == []
    assert release_boxes(-np.ones((40, 40))) == []
    assert release_boxes(np.ones((40, 40))) == [(0, 0, 35, 35)] * 2  # three alike, of which one is stepped over


def test_through_a_jpeg() -> None:
    values = maps()["two"]
    file = BytesIO()
    Image.fromarray(np.round(values / values.max() * 255).astype(np.uint8)).save(file, "JPEG", quality=75)
    lost = np.array(Image.open(file))
    rects = by_the_program(lost, (20, 100, 110))
    found = release_boxes(values, jpeg=True)
    assert len(found) >= 2
    assert set(found) <= {(a, b, a + w, b + h) for a, b, w, h in rects}
