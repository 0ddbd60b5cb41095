"""The table of an evaluation: one number per model, recipe and metric, with its interval."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.forward.batching import Progress
from ...metrics.criterion import find_criterion
from ...words.metric import Metric, mean_of_defined
from ...words.optional import require
from ..results.own_parts import each_own
from ..results.rows import class_names, each_table, results_of
from ..run import read_record
from .interval import bootstrap

ALL = "all"
CLASSES = "mean over classes"
_SINGLE = ["photo", "model", "recipe", "metric", "value", "label", "error"]
"""What is small enough to be held for all rows at once."""
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
        return self.values[~(undefined.any(1) if undefined.ndim > 1 else undefined)]


def summarise(
    folder: Path,
    *,
    photos: Collection[str] | None = None,
    per_class: bool = False,
    samples: int = 1000,
    progress: Progress | None = None,
) -> list[Summary]:
    """The table, in the order of the request; with `per_class` the mean over the classes and every class follow.

    photos: only the rows of these.
    samples: how often photos are drawn anew for the intervals; a fifth of that for metrics that give rows.
    """
    found: dict[tuple[str, str, str], list[Summary]] = {}
    called = class_names(folder) if per_class else {}
    for group in groups(folder, photos, progress):
        metric = find_criterion(group.metric).metric
        whole = _summary(group, metric, ALL, samples)
        found[group.model, group.recipe, group.metric] = [whole]
        if per_class:
            labels = np.unique(group.labels[~np.isnan(group.labels)])
            own = [_summary(_of_class(group, label), metric, int(label), samples) for label in labels]
            named = [replace(one, class_name=called.get((one.model, int(one.about)), "")) for one in own]
            found[group.model, group.recipe, group.metric] += [_over_classes(whole, own), *named]
    record = read_record(folder)
    asked = product(_models(record), record["recipes"], record["metrics"])
    return [one for group in asked for one in found[group]]


def groups(folder: Path, photos: Collection[str] | None = None, progress: Progress | None = None) -> Iterator[Group]:
    """The rows by metric, model and recipe, in the order of the request; of these photos only, if they are given.

    Rows of numbers are held for one metric at a time.
    """
    record, parts = read_record(folder), results_of(folder)  # the same ones for every look: a run may be adding some
    rows = require("pyarrow").concat_tables(each_own(record, parts, _SINGLE))
    wanted = _of_photos(rows, photos)
    columns = {name: _codes(rows, name) for name in ("model", "recipe", "metric")}
    errors = rows["error"].is_valid().to_numpy(zero_copy_only=False)
    labels = rows["label"].cast("float64").to_numpy(zero_copy_only=False)
    values = rows["value"].to_numpy()
    single = rows["value"].is_valid().to_numpy(zero_copy_only=False)
    pairs = list(product(_models(record), record["recipes"]))
    for m, metric in enumerate(record["metrics"]):
        of_metric = wanted & _equal(columns["metric"], metric)
        several = _several(parts, metric) if (of_metric & ~errors & ~single).any() else {}
        for p, (model, recipe) in enumerate(pairs, 1):
            here = of_metric & _equal(columns["model"], model) & _equal(columns["recipe"], recipe)
            good = np.flatnonzero(here & ~errors)
            found = _of_one_length([several[at] for at in good.tolist()]) if several else values[good]
            yield Group(model, recipe, metric, found, labels[good], int((here & errors).sum()))
            if progress is not None:
                progress(m * len(pairs) + p, len(record["metrics"]) * len(pairs))


def _models(record: dict[str, Any]) -> list[str]:
    return [model["name"] for model in record["models"]]


def _of_photos(rows: Any, photos: Collection[str] | None) -> NDArray[np.bool_]:
    if photos is None:
        return np.ones(len(rows), bool)
    arrow = require("pyarrow")
    among = require("pyarrow.compute").is_in(rows["photo"], arrow.array(sorted(photos), arrow.string()))
    found: NDArray[np.bool_] = among.to_numpy(zero_copy_only=False)
    return found


def _codes(rows: Any, name: str) -> tuple[dict[str, int], NDArray[np.int64]]:
    """A column of words as numbers, so that a table of millions of rows is compared quickly."""
    coded = rows[name].combine_chunks().dictionary_encode()
    words = {word: code for code, word in enumerate(coded.dictionary.to_pylist())}
    return words, coded.indices.to_numpy(zero_copy_only=False)


def _equal(column: tuple[dict[str, int], NDArray[np.int64]], word: str) -> NDArray[np.bool_]:
    words, codes = column
    found: NDArray[np.bool_] = codes == words.get(word, -1)
    return found


def _several(parts: Sequence[Path], metric: str) -> dict[int, NDArray[np.float32]]:
    """What a metric gave that gives rows of numbers, by the place in the table; as it computed them, in float32."""
    compute = require("pyarrow.compute")
    found: dict[int, NDArray[np.float32]] = {}
    before = 0
    for table in each_table(parts, ["metric", "values"]):
        own = compute.and_(compute.equal(table["metric"], metric), table["values"].is_valid())
        at = np.flatnonzero(own.to_numpy(zero_copy_only=False))
        rows = table["values"].take(at).combine_chunks()
        numbers = rows.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        ends = np.cumsum(rows.value_lengths().to_numpy(zero_copy_only=False))
        found |= zip((before + at).tolist(), np.split(numbers, ends[:-1]), strict=False)
        before += len(table)
    return found


def _of_one_length(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Rows as a table; shorter ones, of photos that were shown smaller, are read at the shares of the longest."""
    longest = max(map(len, rows), default=0)
    at = np.linspace(0, 1, longest)
    table = np.empty((len(rows), longest))
    for own, row in zip(table, rows, strict=True):
        own[:] = row if len(row) == longest else np.interp(at, np.linspace(0, 1, len(row)), row)
    return table


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
    """The best recipe of every model and metric, if it beats the centre; none where no direction is better."""
    found: dict[tuple[str, str, int | str], Summary] = {}
    for one in summaries:
        if one.better == "neither" or isnan(one.value):
            continue
        key = (one.model, one.metric, one.about)
        if key not in found or _better(one, found[key]):
            found[key] = one
    return {one for one in found.values() if one.recipe != "centre"}


def _better(one: Summary, other: Summary) -> bool:
    """Whether it is, or as good as the centre and therefore no better than it."""
    sign = 1 if one.better == "higher" else -1
    tied = one.value == other.value and one.recipe == "centre"
    return sign * one.value > sign * other.value or tied
