"""A metric class by class."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ...words.errors import BadValue
from ...words.metric import Summary, mean_of_defined

Table = dict[Any, tuple[float, int]]


def by_class(
    values: Sequence[Any] | np.ndarray, labels: Sequence[Hashable], summary: Summary = mean_of_defined
) -> Table:
    """Class -> (the summary of its photos' values, how many photos), in order of the classes.

    values: one number or one row per photo.  Raises BadValue.
    """
    table = np.asarray(values, dtype=float)
    if len(table) != len(labels):
        raise BadValue(f"{len(table)} values and {len(labels)} labels", "one label per value")
    own = {label: [i for i, other in enumerate(labels) if other == label] for label in sorted(set(labels), key=str)}
    return {label: (summary(table[rows]), len(rows)) for label, rows in own.items()}


def mean_over_classes(table: Table) -> float:
    """The mean of the classes' numbers, each counting once; NaN where none is defined."""
    return mean_of_defined(np.array([value for value, _ in table.values()]))
