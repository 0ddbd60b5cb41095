"""The table of an evaluation: one number per model, recipe and metric, with its interval."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..measuring import Metric, bootstrap, find_criterion, mean_of_defined
from ..optional import require
from .rows import class_names, read_rows
from .run import read_record

ALL = "all"
CLASSES = "mean over classes"
_SEVERAL = 5
"""How much fewer times the photos are drawn where each of them has a row of numbers."""


@dataclass(frozen=True)
class Summary:
    """What a metric says of a recipe over the photos."""

    model: str
    recipe: str
    metric: str
    about: int | str
    """ALL photos, the CLASSES' mean, or those of one class."""
    value: float
    low: float
    high: float
    """The 95 % interval, by resampling photos."""
    photos: int
    """For which the metric is defined."""
    errors: int
    better: str
    class_name: str = ""
    """Of one class, where the model has names."""


@dataclass(frozen=True, eq=False)
class Group:
    """The values of one model, recipe and metric, photo by photo; errors are left out."""

    model: str
    recipe: str
    metric: str
    values: NDArray[np.float64]
    """(photos,) or (photos, k)."""
    labels: NDArray[np.float64]
    """(photos,), NaN where no class is known."""
    errors: int

    @property
    def known(self) -> NDArray[np.float64]:
        """The values of the photos for which the metric is defined."""
        undefined = np.isnan(self.values)
        return self.values[~(undefined.all(1) if undefined.ndim > 1 else undefined)]


def summarise(
    folder: Path, *, photos: Collection[str] | None = None, per_class: bool = False, samples: int = 1000
) -> list[Summary]:
    """The table, in the order of the request; with `per_class` the mean over the classes and every class follow.

    photos: only the rows of these.
    samples: how often photos are drawn anew for the intervals; a fifth of that for metrics that give rows.
    """
    found = []
    called = class_names(folder) if per_class else {}
    for group in groups(folder, photos):
        metric = find_criterion(group.metric).metric
        found.append(_summary(group, metric, ALL, samples))
        if per_class:
            labels = np.unique(group.labels[~np.isnan(group.labels)])
            own = [_summary(_of_class(group, label), metric, int(label), samples) for label in labels]
            named = [replace(one, class_name=called.get((one.model, int(one.about)), "")) for one in own]
            found += [_over_classes(found[-1], own), *named]
    return found


def groups(folder: Path, photos: Collection[str] | None = None) -> Iterator[Group]:
    """The rows by model, recipe and metric, in the order of the request; of these photos only, if they are given."""
    record, rows = read_record(folder), read_rows(folder)
    if photos is not None:
        arrow = require("pyarrow")
        rows = rows.filter(require("pyarrow.compute").is_in(rows["photo"], arrow.array(sorted(photos), arrow.string())))
    columns = {name: _codes(rows, name) for name in ("model", "recipe", "metric")}
    errors = rows["error"].is_valid().to_numpy(zero_copy_only=False)
    labels = rows["label"].cast("float64").to_numpy(zero_copy_only=False)
    for model in [m["name"] for m in record["models"]]:
        of_model = _equal(columns["model"], model)
        for recipe in record["recipes"]:
            of_recipe = of_model & _equal(columns["recipe"], recipe)
            for metric in record["metrics"]:
                here = of_recipe & _equal(columns["metric"], metric)
                good = np.flatnonzero(here & ~errors)
                yield Group(model, recipe, metric, _values(rows, good), labels[good], int((here & errors).sum()))


def _codes(rows: Any, name: str) -> tuple[dict[str, int], NDArray[np.int64]]:
    """A column of words as numbers, so that a table of millions of rows is compared quickly."""
    coded = rows[name].combine_chunks().dictionary_encode()
    words = {word: code for code, word in enumerate(coded.dictionary.to_pylist())}
    return words, coded.indices.to_numpy(zero_copy_only=False)


def _equal(column: tuple[dict[str, int], NDArray[np.int64]], word: str) -> NDArray[np.bool_]:
    words, codes = column
    found: NDArray[np.bool_] = codes == words.get(word, -1)
    return found


def _values(rows: Any, at: NDArray[np.int64]) -> NDArray[np.float64]:
    several = rows["values"].take(at)
    if len(at) and several[0].is_valid:
        return _of_one_length([np.array(row, dtype=np.float64) for row in several.to_pylist()])
    values: NDArray[np.float64] = rows["value"].take(at).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _of_one_length(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows as a table; shorter ones, of photos that were shown smaller, are read at the shares of the longest."""
    longest = max(map(len, rows))
    at = np.linspace(0, 1, longest)
    return np.stack([r if len(r) == longest else np.interp(at, np.linspace(0, 1, len(r)), r) for r in rows])


def _of_class(group: Group, label: float) -> Group:
    own = group.labels == label
    return Group(group.model, group.recipe, group.metric, group.values[own], group.labels[own], 0)


def _summary(group: Group, metric: Metric, about: int | str, samples: int) -> Summary:
    same = (group.model, group.recipe, group.metric, about)
    known = group.known
    photos = len(known)
    if not photos:
        return Summary(*same, nan, nan, nan, 0, group.errors, metric.better)
    low, high = bootstrap(known, metric.summary, samples if known.ndim == 1 else max(2, samples // _SEVERAL))
    return Summary(*same, float(metric.summary(known)), low, high, photos, group.errors, metric.better)


def _over_classes(whole: Summary, own: list[Summary]) -> Summary:
    """Every class counts once, as in the pointing game; an interval would need classes to be drawn, and is left out."""
    mean = mean_of_defined(np.array([one.value for one in own]))
    return replace(whole, about=CLASSES, value=mean, low=nan, high=nan, photos=sum(one.photos for one in own), errors=0)


def best(summaries: list[Summary]) -> set[Summary]:
    """The best recipe of every model and metric, the centre left out; none where no direction is better."""
    found: dict[tuple[str, str, int | str], Summary] = {}
    for one in summaries:
        if one.better == "neither" or one.recipe == "centre" or isnan(one.value):
            continue
        sign = 1 if one.better == "higher" else -1
        key = (one.model, one.metric, one.about)
        if key not in found or sign * one.value > sign * found[key].value:
            found[key] = one
    return set(found.values())
