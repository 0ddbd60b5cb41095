"""The pointing game.  Jianming Zhang, Sarah Adel Bargal, Zhe Lin, Jonathan Brandt, Xiaohui Shen, Stan Sclaroff:
Top-down Neural Attention by Excitation Backprop, IJCV 2018, arXiv:1608.00507.

    (i*, j*) = argmax L
    hit      = 1[ (i*, j*) is a pixel of the object, or less than `tolerance` pixels away from one ]

The object is the mask, or the filled boxes where there is none.  The highest of equal pixels is the first one read.
The authors count hits per class and take the mean over the classes, as `by_class` does; the summary here is the mean
over the photos.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..words.bounds import at_least
from ..words.metric import metric
from ..words.notation import Maps
from .shared.objects import objects


@metric()
def pointing_game(heat: Maps, boxes: Sequence[Tensor], masks: Tensor, *, tolerance: float = 15.0) -> Tensor:
    """(n,): 1 a hit, 0 a miss, NaN where no object is known.  tolerance: in pixels of the model's input."""
    at_least(0, tolerance=tolerance)
    on, width = objects(boxes, masks) == 1, heat.shape[2]
    peak = heat.flatten(1).argmax(1)
    rows, columns = torch.arange(heat.shape[1], device=heat.device), torch.arange(width, device=heat.device)
    down, across = rows - (peak // width)[:, None], columns - (peak % width)[:, None]
    away = (down[:, :, None] ** 2 + across[:, None] ** 2).double().sqrt()
    hit = (on & ((away < tolerance) | (away == 0))).flatten(1).any(1)
    return torch.where(on.flatten(1).any(1), hit.to(torch.float32), torch.nan)
