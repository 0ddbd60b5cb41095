"""Where the objects are: their mask, or their boxes filled."""

from collections.abc import Sequence

import torch
from torch import Tensor


def filled(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) bool: the pixels whose centre lies in one of the boxes (k, 4), of a box without any the nearest."""
    rows, columns = _along(boxes[:, 1], boxes[:, 3], size[0]), _along(boxes[:, 0], boxes[:, 2], size[1])
    return (rows[:, :, None] & columns[:, None]).any(0)


def _along(low: Tensor, high: Tensor, length: int) -> Tensor:
    """(k, length) bool: the places between low and high (k,)."""
    centres = torch.arange(length, device=low.device) + 0.5
    inside = (low[:, None] <= centres) & (centres < high[:, None])
    between = ~inside.any(1) & (low < length) & (high > 0)
    middle = ((low + high) / 2).long().clamp(0, length - 1)
    return inside.scatter(1, middle[:, None], between[:, None] | inside.gather(1, middle[:, None]))


def objects(boxes: Sequence[Tensor], masks: Tensor) -> Tensor:
    """(n, h, w) uint8 like `masks`, 1 object, 0 not, 255 not judged: where no mask is known, the filled boxes."""
    found = masks.clone()
    for mask, own in zip(found, boxes, strict=True):
        if len(own) and bool((mask == 255).all()):
            mask[:] = filled(own.to(mask.device), (mask.shape[0], mask.shape[1]))
    return found
