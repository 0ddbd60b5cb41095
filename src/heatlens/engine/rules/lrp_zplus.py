"""LRP z+ as in Relevance-CAM (Lee, Kim, Park, Eo, Hwang, CVPR 2021): relevance flows along positive contributions.

| operation | what its inputs get |
| --- | --- |
| dense layer, convolution | z+ with both signs of the input, its bias in the denominator |
| sum, mean, pooling | the share of each |
| maximum | all of it, as its derivative says |
| ReLU and other functions of one number, batch norm, softmax | it goes through |

Beyond the paper, for what networks have behind a layer today: half of it for each factor of a product, and of a norm
the share in what is left with its deviation held fixed.
"""

from functools import partial
from typing import Any

import torch.nn.functional as F

from ...words.errors import EvidenceMissing
from .carried_relevance import over, positive, product, shared, through
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


def _attention(func: Operation, *args: Any, **kwargs: Any) -> Any:
    raise EvidenceMissing(
        "Relevance-CAM has no rule for attention, and the network runs some behind the layer",
        "a convolutional network",
        "Use attn_lrp",
    )


def _norm(func: Operation, *args: Any, **kwargs: Any) -> Any:
    return shared(partial(NORMS[func], func), *args, **kwargs)


ANSWERS: dict[Operation, Answer] = {
    **dict.fromkeys(CONVOLUTIONS | DENSE, positive(biased=True)),
    **dict.fromkeys(SUMS | MEANS, shared),
    **dict.fromkeys(ELEMENTWISE | SOFTMAXES | spelt("batch_norm", "log", "neg"), through),
    **dict.fromkeys(TIMES | MATRIX_PRODUCTS, product),
    **dict.fromkeys(OVER, over),
    **dict.fromkeys(NORMS, _norm),
    **dict.fromkeys((F.scaled_dot_product_attention, F.multi_head_attention_forward), _attention),
}
