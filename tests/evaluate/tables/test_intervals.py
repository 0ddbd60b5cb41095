"""A data set's number and its interval, over photos that are drawn again and again."""

from collections.abc import Callable

import numpy as np
import pytest

from heatlens.evaluate.tables.interval import bootstrap
from heatlens.metrics.contents import METRICS, all_metrics
from heatlens.words.metric import mean_of_defined

LENGTHS = {"max_box_acc": 255, "max_box_acc_v2": 3 * 255, "px_ap": 2 * 1002, "insertion": 8, "deletion": 8}
"""Of the rows of metrics that give some."""


def drawn_one_by_one(
    values: np.ndarray, summary: Callable[[np.ndarray], float], samples: int, seed: int
) -> tuple[float, float]:
    """Efron's percentile interval as it is written: draw photos, ask for the number, take the middle 95 %."""
    random = np.random.default_rng(seed)
    found = sorted(summary(values[random.integers(0, len(values), len(values))]) for _ in range(samples))
    low, high = (share * (samples - 1) for share in (0.025, 0.975))
    return tuple(float(np.interp(at, np.arange(samples), found)) for at in (low, high))  # type: ignore[return-value]


@pytest.mark.parametrize("name", [metric.name for metric in all_metrics()])
@pytest.mark.parametrize("photos", [1, 2, 37])
def test_the_interval_is_that_of_photos_drawn_one_by_one(name: str, photos: int) -> None:
    """Of every metric that ships, whatever its summary: only the photos' mean counts."""
    metric = METRICS[name]
    random = np.random.default_rng(3)
    shape = (photos, LENGTHS[name]) if name in LENGTHS else (photos,)
    values = random.integers(0, 2, shape).astype(float) if metric.curve else random.random(shape)
    expected = drawn_one_by_one(values, metric.summary, 120, 5)
    assert bootstrap(values, metric.summary, 120, 5) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_metrics_that_give_rows_are_tried_with_rows() -> None:
    assert {metric.name for metric in all_metrics() if metric.curve} <= LENGTHS.keys()


def test_the_interval_of_a_coin_known_by_hand() -> None:
    """400 photos, half of them hits: 0.5 +- 1.96 sqrt(0.25 / 400) = 0.451 to 0.549."""
    low, high = bootstrap(np.arange(400) % 2, mean_of_defined, 4000)
    assert low == pytest.approx(0.451, abs=0.004)
    assert high == pytest.approx(0.549, abs=0.004)
