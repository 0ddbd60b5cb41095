"""A metric is a function: its positional parameters name the evidence it needs, its keyword-only ones are settings."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from .signature import needs

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


_DECLARED = "__heatlens_metric__"


def metric(**said: Any) -> Callable[[Measure], Measure]:
    """Declare a metric by the name of its function; it returns one number `(n,)` or one row `(n, k)` per image."""

    def declare(function: Measure) -> Measure:
        name = function.__name__
        if strange := [word for word in needs(function) if word not in METRIC_EVIDENCE]:
            raise ValueError(f"the metric {name} asks for {', '.join(strange)}")
        vars(function)[_DECLARED] = Metric(name, function, **said)
        return function

    return declare


def measures(function: Measure) -> Metric | None:
    """What `@metric` said of a function; None where nobody declared it."""
    declared: Metric | None = getattr(function, _DECLARED, None)
    return declared
