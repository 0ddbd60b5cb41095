"""How sure a number of a data set is: the interval of its summary."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...words.errors import BadValue
from ...words.metric import Summary, mean_of_defined


def bootstrap(
    values: Sequence[Any] | np.ndarray, summary: Summary = mean_of_defined, samples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of a metric's summary, by resampling photos with replacement (Efron, 1979).

    values: `(photos, ...)`, all defined.
    """
    table = np.asarray(values, dtype=float)
    if not len(table):
        raise BadValue("no values to resample", "one value per photo")
    counts = _drawn(len(table), samples, seed)
    blocks = range(0, samples, _BLOCK)
    means = np.concatenate([counts[at : at + _BLOCK].astype(float) @ table for at in blocks]) / len(table)
    low, high = np.percentile([summary(mean[None]) for mean in means], (2.5, 97.5))
    return float(low), float(high)


_BLOCK = 50


@lru_cache(1)
def _drawn(photos: int, samples: int, seed: int) -> np.ndarray:
    """(samples, photos): how often each photo is drawn; kept, since most rows of a table have as many photos."""
    random = np.random.default_rng(seed)
    counts = np.empty((samples, photos), np.uint16)
    for row in counts:
        row[:] = np.bincount(random.integers(0, photos, photos), minlength=photos)
    return counts
