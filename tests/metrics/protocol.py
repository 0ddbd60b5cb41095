"""The authors' protocols as plain loops over thresholds, with OpenCV's contours."""

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, ...]
THRESHOLDS = np.arange(0, 1, 0.001)


def inclusive_iou(a: Box, b: Box) -> float:
    """With widths + 1."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    common = max(wide, 0) * max(high, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return common / (sum(areas) - common)


def contour_boxes(levels: NDArray[np.uint8], level: int, *, largest: bool) -> list[Box]:
    """The boxes of what is above a level."""
    height, width = levels.shape
    marked = (levels > level).astype(np.uint8)
    contours = cv2.findContours(marked, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return [(0, 0, 0, 0)]
    boxes = []
    for contour in [max(contours, key=cv2.contourArea)] if largest else contours:
        x, y, wide, high = cv2.boundingRect(contour)
        boxes.append((x, y, min(x + wide, width - 1), min(y + high, height - 1)))
    return boxes


def best_ious(heat: NDArray[np.float64], true: list[Box], *, largest: bool) -> NDArray[np.float64]:
    """(1000,): the best of every box at each threshold with any true one."""
    whole = [tuple(int(v) for v in box) for box in true]
    levels = (heat * 255).astype(np.uint8)
    at = [int(tau * levels.max()) for tau in THRESHOLDS]
    best = {
        level: max(inclusive_iou(a, b) for a in contour_boxes(levels, level, largest=largest) for b in whole)
        for level in set(at)
    }
    return np.array([best[level] for level in at])


def max_box_acc(heats: list[NDArray[np.float64]], truths: list[list[Box]]) -> float:
    ious = np.stack([best_ious(h, t, largest=True) for h, t in zip(heats, truths, strict=True)])
    return float((ious >= 0.5).mean(0).max())


def max_box_acc_v2(heats: list[NDArray[np.float64]], truths: list[list[Box]]) -> float:
    ious = np.stack([best_ious(h, t, largest=False) for h, t in zip(heats, truths, strict=True)])
    return float(np.mean([(ious >= delta).mean(0).max() for delta in (0.3, 0.5, 0.7)]))


def px_ap(heats: list[NDArray[np.float64]], masks: list[NDArray[np.int64]]) -> float:
    """Straight from the definition: all pixels in one list, one threshold after the other."""
    values = np.concatenate([h.ravel() for h in heats])
    on = np.concatenate([m.ravel() for m in masks])
    values, on = values[on != 255], on[on != 255] == 1
    area, before = 0.0, 0.0
    for tau in [3.0, 2.0, 1.0, *THRESHOLDS[::-1]]:
        marked = values >= tau
        if marked.any():
            recall = (marked & on).sum() / on.sum()
            area += (marked & on).sum() / marked.sum() * (recall - before)
            before = recall
    return area
