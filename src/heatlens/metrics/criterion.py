"""A metric with its settings, as people ask for it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..words.converting import convert
from ..words.errors import unknown
from ..words.metric import Metric
from ..words.signature import needs, settings
from ..words.wording import read_request, worded
from .contents import find_metric


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

    def __call__(self, evidence: Any, seed: int = 0) -> Any:
        """The values for every image, from whatever has the evidence as its attributes."""
        own = {"seed": seed} if "seed" in settings(self.metric.function) else {}
        asked = (getattr(evidence, word) for word in needs(self.metric.function))
        return self.metric.function(*asked, **{**own, **dict(self.settings)})


def find_criterion(
    spec: "str | Metric | Criterion | Callable[..., Any]", given: Mapping[str, Any] | None = None
) -> Criterion:
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
