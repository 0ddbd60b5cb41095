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

from ..measuring import metric
from ..notation import Maps
from .objects import objects


@metric()
def pointing_game(heat: Maps, boxes: Sequence[Tensor], masks: Tensor, *, tolerance: float = 15.0) -> Tensor:
    """(n,): 1 a hit, 0 a miss, NaN where no object is known.  tolerance: in pixels of the model's input."""
    on = objects(boxes, masks) == 1
    width = heat.shape[-1]
    hits = torch.full((len(heat),), float("nan"))
    for i, (values, mask) in enumerate(zip(heat.cpu().numpy(), on.cpu(), strict=True)):
        if bool(mask.any()):
            y, x = divmod(int(values.argmax()), width)
            distance = (mask.nonzero() - torch.tensor([y, x])).double().norm(dim=1).min()
            hits[i] = float(bool(mask[y, x]) or float(distance) < tolerance)
    return hits
