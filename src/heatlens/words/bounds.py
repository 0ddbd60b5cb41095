"""Bounds of settings."""

from collections.abc import Sequence
from math import isfinite

from .errors import BadSetting


def at_least(least: float, **given: float) -> None:
    """A setting below its smallest meaningful value is an error (and so is NaN)."""
    for key, value in given.items():
        if not value >= least:
            raise BadSetting(f"the setting {key}={value!r}", f"at least {least}")


def a_share(**given: float) -> None:
    """A setting that is no share from 0 to 1 is an error."""
    for key, value in given.items():
        if not 0 <= value <= 1:
            raise BadSetting(f"the setting {key}={value!r}", "a share from 0 to 1")


def all_finite(**given: Sequence[float]) -> None:
    """A setting of numbers that has none, or one that is no number, is an error."""
    for key, value in given.items():
        if not value or not all(isfinite(number) for number in value):
            raise BadSetting(f"the setting {key}={value}", "one or more finite numbers")
