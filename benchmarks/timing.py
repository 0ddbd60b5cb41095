"""Timing that survives a noisy machine: contenders take turns, and what is reported are ratios within a turn."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from tqdm import tqdm

Work = Callable[[], object]
_LEAST = 3
"""Rounds of a race that is ended by the clock."""


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


def race(
    contenders: dict[str, Work],
    rounds: int,
    *,
    warm: bool = True,
    seconds: float = inf,
    wait: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Every contender once per round, after a warm-up unless that takes too long; the first one is the reference.

    seconds: after which no round begins, once there were three.  wait: until a device has done what it was given.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values() if warm else ():
        work()
    end = time.perf_counter() + seconds
    for done in tqdm(range(rounds), leave=False, delay=2):
        if done >= _LEAST and time.perf_counter() > end:
            break
        for name, work in contenders.items():
            gc.collect()
            wait()
            begin = time.perf_counter()
            work()
            wait()
            times[name].append(time.perf_counter() - begin)
    reference = next(iter(times.values()))
    return [_row(name, found, reference) for name, found in times.items()]


def _row(name: str, found: list[float], reference: list[float]) -> Row:
    ratios = sorted(a / b for a, b in zip(found, reference, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Row(name, statistics.median(found), statistics.median(ratios), low, high)
