"""Where the objects are: their mask, or their boxes filled."""

from collections.abc import Sequence

import torch
from torch import Tensor


def filled(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) bool: the pixels whose centre lies in one of the boxes (k, 4)."""
    y, x = (torch.arange(side, device=boxes.device) + 0.5 for side in size)
    x0, y0, x1, y1 = (boxes[:, i, None, None] for i in range(4))
    return ((x0 <= x) & (x < x1) & (y0 <= y[:, None]) & (y[:, None] < y1)).any(0)


def objects(boxes: Sequence[Tensor], masks: Tensor) -> Tensor:
    """(n, h, w) uint8 like `masks`, 1 object, 0 not, 255 not judged: where no mask is known, the filled boxes."""
    found = masks.clone()
    for mask, own in zip(found, boxes, strict=True):
        if len(own) and bool((mask == 255).all()):
            mask[:] = filled(own.to(mask.device), (mask.shape[0], mask.shape[1]))
    return found
