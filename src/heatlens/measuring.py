"""A metric is a function: its positional parameters name the evidence it needs, its keyword-only ones are settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from .converting import convert
from .errors import BadValue, unknown
from .registry import needs, settings, spelling
from .wording import read_request

Measure = Callable[..., Any]
Summary = Callable[[np.ndarray], float]
Line = tuple[str, np.ndarray, np.ndarray]
"""Which of a metric's curves, where it is, how high it is there."""

METRIC_EVIDENCE = MappingProxyType(
    {
        "heat": "L, the map in [0, 1]: ReLU(x) / max x, at the size of the model's input: (n, *size)",
        "attribution": "the map as the method gave it, signed and unscaled, at the size of the input: (n, *size)",
        "images": "X, what the model was shown: (n, channels, *size)",
        "confidence": "p_c(X), the target class's softmax probability: (n,)",
        "confidence_under": "confidence_under(pictures, count) -> p_c (n, count) of the pictures(i, k)",
        "score_under": "score_under(pictures, count, same=None) -> y (n, count); `same` names pictures of no map",
        "explained": "explained(images) -> the attribution of other images, same recipe and targets: (n, *size)",
        "heat_of": "heat_of(images) -> L of other images, same recipe and targets: (n, *size)",
        "classes": "the class that each image's map explains: (n,)",
        "explained_class": "explained_class(classes) -> the attribution of each image for another class: (n, *size)",
        "randomised": "randomised(scheme, seed) -> (layer, attribution) in turn, more and more weights drawn anew",
        "boxes": "the true boxes of each image, x0 y0 x1 y1 in the heat's pixels, half-open: n tensors (k, 4)",
        "located": "located(**how) -> the boxes found and the true ones (k, 4) on each photo's own pixels: n pairs",
        "masks": "the true object of each image, 1 object, 0 not, 255 not judged or not known: (n, *size)",
        "labels": "the true class of each image, -1 not known: (n,)",
        "ranking": "the model's classes of each image, the strongest first: (n, classes)",
    }
)
"""The words a metric may ask for."""


def mean_of_defined(values: np.ndarray) -> float:
    """The mean over the photos of what is not NaN; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def mean_row(values: np.ndarray) -> list[Line]:
    """One curve: the mean of the photos' rows `(photos, k)`, over the share of the row that lies behind."""
    return [("", np.linspace(0, 1, values.shape[1]), values.mean(0))]


@dataclass(frozen=True)
class Metric:
    """A metric and what its file declares beside the formula."""

    name: str
    function: Measure
    better: Literal["higher", "lower", "neither"] = "higher"
    summary: Summary = mean_of_defined
    """The values of all photos `(photos, ...)` -> the number of a data set; only their mean over the photos counts."""
    curve: bool = False
    """Whether a photo's value is a row of numbers."""
    lines: Callable[[np.ndarray], list[Line]] = mean_row
    """The rows of all photos -> what is drawn of them."""
    axis: str = "share of the steps"
    """What the lines are drawn over."""

    @property
    def needs_truth(self) -> bool:
        """Whether it asks what is true of the photos."""
        return bool({"boxes", "masks", "labels"} & set(needs(self.function)))

    @property
    def source(self) -> str:
        """The first paragraph of the file: what, who, where."""
        module = inspect.getmodule(self.function)
        return " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())


METRICS: dict[str, Metric] = {}


def metric(**declared: Any) -> Callable[[Measure], Measure]:
    """Register a metric under the name of its function; it returns one number `(n,)` or one row `(n, k)` per image."""

    def register(function: Measure) -> Measure:
        name = function.__name__
        if name in METRICS:
            raise ValueError(f"two metrics are called {name!r}")
        if strange := [word for word in needs(function) if word not in METRIC_EVIDENCE]:
            raise ValueError(f"the metric {name} asks for {', '.join(strange)}")
        METRICS[name] = Metric(name, function, **declared)
        return function

    return register


def all_metrics() -> list[Metric]:
    """Every metric, by its name."""
    import_module("heatlens.metrics")
    return [METRICS[name] for name in sorted(METRICS)]


def worded(value: Any) -> str:
    """A setting as a person writes it: several numbers are joined by a plus."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def find_metric(name: str | Metric) -> Metric:
    """The metric of that name, however it is spelt."""
    if isinstance(name, Metric):
        return name
    for known in all_metrics():
        if spelling(known.name) == spelling(name):
            return known
    raise unknown("metric", name, sorted(METRICS), "heatlens metrics")


@dataclass(frozen=True)
class Criterion:
    """A metric with its settings: what is measured, as a value."""

    metric: Metric
    settings: tuple[tuple[str, Any], ...] = ()
    """Those that differ from the metric's own."""

    @property
    def name(self) -> str:
        """As a person writes it: `deletion`, `deletion:step=448`."""
        knobs = ",".join(f"{key}={worded(value)}" for key, value in self.settings)
        return f"{self.metric.name}:{knobs}" if knobs else self.metric.name

    def __call__(self, witness: Any, seed: int = 0) -> Any:
        """The values for every image, from whatever has the evidence as its attributes."""
        own = {"seed": seed} if "seed" in settings(self.metric.function) else {}
        evidence = (getattr(witness, word) for word in needs(self.metric.function))
        return self.metric.function(*evidence, **{**own, **dict(self.settings)})


def find_criterion(spec: "str | Metric | Criterion", given: Mapping[str, Any] | None = None) -> Criterion:
    """A criterion from its words, such as "insertion" or "deletion:step=448", or from a metric and settings."""
    if isinstance(spec, Criterion):
        return spec
    name, words = read_request(spec) if isinstance(spec, str) else (spec, {})
    found = find_metric(name)
    wanted: dict[str, Any] = {**(given or {}), **words}
    return Criterion(found, tuple(_checked(found, wanted).items()))


def _checked(metric: Metric, given: Mapping[str, Any]) -> dict[str, Any]:
    known = settings(metric.function)
    kinds = inspect.get_annotations(metric.function)
    for key in given:
        if key not in known:
            raise unknown("setting", key, known, "heatlens metrics", owner=f"the metric {metric.name}")
    read = {key: convert(key, value, kinds.get(key, str), known[key]) for key, value in given.items()}
    return {key: value for key, value in read.items() if value != known[key]}


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
