"""What was found, as values."""

from collections.abc import Sequence
from dataclasses import dataclass

from .boxes import Box

LEAST_PROBABLE = 0.02
"""A class that is less probable is not in the photo: how that was chosen is in docs/how-to/locate.md."""


@dataclass(frozen=True)
class Finding:
    """A box with what is in it."""

    box: Box
    """x0 y0 x1 y1 in the photo's own pixels, half-open."""
    name: str
    """What is there, in words."""
    index: int | None
    """Of its class; None where the target has none."""
    score: float | None
    """How sure the model is: its class's probability, else what its target gives for the photo; None without either."""
    probability: float | None
    """Of its class in the whole photo; None where the target has none."""
    heat: float
    """The strongest in the box; 1 is the map's maximum."""


@dataclass(frozen=True)
class Located:
    """A photo and what was found in it."""

    file: str
    """Path or name of the photo."""
    size: tuple[int, int]
    """(height, width)."""
    findings: Sequence[Finding]
