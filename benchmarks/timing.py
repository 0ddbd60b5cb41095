"""Timing that survives a noisy machine: contenders take turns, and what is reported are ratios within a turn."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from tqdm import tqdm

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One contender of a race."""

    name: str
    seconds: float
    """Median over the rounds."""
    ratio: float
    """Median over the rounds of its time by the reference's in the same round."""
    low: float
    high: float
    """The quartiles of that ratio."""


def race(contenders: dict[str, Work], rounds: int, *, warm: bool = True) -> list[Row]:
    """Every contender once per round, after a warm-up unless that takes too long; the first one is the reference."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values() if warm else ():
        work()
    for _ in tqdm(range(rounds), leave=False, delay=2):
        for name, work in contenders.items():
            gc.collect()
            begin = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - begin)
    reference = next(iter(times.values()))
    return [row_of(name, found, reference) for name, found in times.items()]


def row_of(name: str, found: list[float], reference: list[float]) -> Row:
    """A contender's times beside the reference's of the same rounds."""
    ratios = sorted(a / b for a, b in zip(found, reference, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Row(name, statistics.median(found), statistics.median(ratios), low, high)
