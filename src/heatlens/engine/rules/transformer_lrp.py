"""LRP as in transformer attribution (Chefer, Gur, Wolf, CVPR 2021, arXiv:2012.09838).

| operation | what its inputs get |
| --- | --- |
| dense layer, convolution | z+ with both signs of the input, without its bias |
| a + b | the share of each, each side's total then settled by its magnitude |
| mean, pooling | the share of each |
| a b, a @ b, both of the image | half of the shares for each |
| functions of one number, norms, softmax | it goes through |

Shares in sums that pass zero and norms that relevance passes through element by element have poles.
"""

from typing import Any

import torch
from torch import Tensor

from ...words.notation import ratio
from .carried_relevance import over, positive, product, ruled, shared, shares, through
from .factors import live
from .norms import NORMS
from .operations import (
    CONVOLUTIONS,
    DENSE,
    ELEMENTWISE,
    MATRIX_PRODUCTS,
    MEANS,
    OVER,
    SOFTMAXES,
    SUMS,
    TIMES,
    Operation,
    spelt,
)
from .substituting import Answer


def _settled_sum(func: Operation, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Shares, of which each side's total is made its magnitude's part of all: part * |t| / (|t| + |u|) * sum R / t."""
    out = func(a, b, *args, **kwargs)
    if not (live(a) and live(b) and a.shape == b.shape):
        return out

    def back(R: Tensor, *x: Tensor) -> list[Tensor]:
        parts = shares(torch.add, R, *x)
        totals = torch.stack([part.sum() for part in parts])
        unit = ratio(R.sum(), totals.abs().sum())
        return [part * sign * unit for part, sign in zip(parts, totals.sign(), strict=True)]

    return ruled(out, back, a, b)


TRANSFORMER: dict[Operation, Answer] = {
    **dict.fromkeys(CONVOLUTIONS | DENSE, positive(biased=False)),
    **dict.fromkeys(SUMS, _settled_sum),
    **dict.fromkeys(MEANS, shared),
    **dict.fromkeys(TIMES | MATRIX_PRODUCTS, product),
    **dict.fromkeys(OVER, over),
    **dict.fromkeys(ELEMENTWISE | NORMS.keys() | SOFTMAXES | spelt("batch_norm"), through),
}
