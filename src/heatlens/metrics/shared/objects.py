"""Where the objects are: their mask, or their boxes filled."""

from collections.abc import Sequence

import torch
from torch import Tensor


def filled(boxes: Sequence[Tensor], size: tuple[int, int], device: torch.device) -> Tensor:
    """(n, h, w) bool: pixels whose centre lies in one of an image's boxes (k, 4); of a box without any the nearest."""
    every = torch.cat([*boxes]).to(device)
    owner = torch.tensor([image for image, own in enumerate(boxes) for _ in own], dtype=torch.long, device=device)
    rows, columns = _along(every[:, 1], every[:, 3], size[0]), _along(every[:, 0], every[:, 2], size[1])
    of_image = torch.arange(len(boxes), device=device)[:, None] == owner
    boxes_over = (of_image[:, :, None] & rows).float().mT @ columns.float()  # how many, pixel by pixel
    return boxes_over > 0


def _along(low: Tensor, high: Tensor, length: int) -> Tensor:
    """(k, length) bool: the places between low and high (k,)."""
    centres = torch.arange(length, device=low.device) + 0.5
    inside = (low[:, None] <= centres) & (centres < high[:, None])
    between = ~inside.any(1) & (low < length) & (high > 0)
    middle = ((low + high) / 2).long().clamp(0, length - 1)
    return inside.scatter(1, middle[:, None], between[:, None] | inside.gather(1, middle[:, None]))


def objects(boxes: Sequence[Tensor], masks: Tensor) -> Tensor:
    """(n, h, w) uint8 like `masks`, 1 object, 0 not, 255 not judged: where no mask is known, the filled boxes."""
    known = torch.tensor([len(own) > 0 for own in boxes], device=masks.device)
    unmasked = known & (masks == 255).flatten(1).all(1)
    there = filled(boxes, (masks.shape[1], masks.shape[2]), masks.device).to(masks)
    return torch.where(unmasked[:, None, None], there, masks)
