"""The pointing game.  Jianming Zhang, Sarah Adel Bargal, Zhe Lin, Jonathan Brandt, Xiaohui Shen, Stan Sclaroff:
Top-down Neural Attention by Excitation Backprop, IJCV 2018, arXiv:1608.00507.

    (i*, j*) = argmax L
    hit      = 1[ (i*, j*) is a pixel of the object, or less than `tolerance` pixels away from one ]

The object is the mask, or the filled boxes where there is none.  The highest of equal pixels is the first one read.
The authors count hits per class and take the mean over the classes, as `by_class` does; the summary here is the mean
over the photos.
"""

import math
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
    on = (objects(boxes, masks) == 1).cpu()
    hits = [_hit(values, mask, tolerance) for values, mask in zip(heat.cpu(), on, strict=True)]
    return torch.tensor(hits)


def _hit(heat: Tensor, mask: Tensor, tolerance: float) -> float:
    if not bool(mask.any()):
        return float("nan")
    y, x = divmod(int(heat.numpy().argmax()), heat.shape[1])
    far = math.ceil(tolerance)
    top, left = max(y - far, 0), max(x - far, 0)
    near = mask[top : y + far + 1, left : x + far + 1].nonzero() - torch.tensor([y - top, x - left])
    return float(bool(mask[y, x]) or bool((near.double().norm(dim=1) < tolerance).any()))
