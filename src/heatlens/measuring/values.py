"""What metrics return, as plain numbers."""

import numpy as np
import torch
from torch import Tensor

from ..metrics.criterion import Criterion
from ..words.errors import BadValue

Value = float | list[float]
Values = dict[str, Value]
"""Criterion's name -> the metric's value: a number, or a row of numbers; NaN where it is not defined."""


def plain_values(criterion: Criterion, values: object, photos: int) -> list[Value]:
    """What a metric returned, if it is a number or a row of every image."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        values = torch.from_numpy(values)
    if not isinstance(values, Tensor):
        raise BadValue(f"the metric {criterion.name} returned a {type(values).__name__}", "a tensor (n,) or (n, k)")
    if values.ndim not in (1, 2) or len(values) != photos:
        raise BadValue(f"{criterion.name} returned {tuple(values.shape)} for {photos} images", "(n,) or (n, k)")
    plain: list[Value] = values.detach().double().cpu().tolist()
    return plain
