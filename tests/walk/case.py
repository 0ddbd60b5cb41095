"""One architecture of the walk: how it is loaded, what it is shown, what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import heatlens


@dataclass(frozen=True)
class Case:
    """A network of the table."""

    library: str
    model: str
    """Its name, as `heatlens.load` takes it where it has one."""
    size: int | tuple[int, ...] = 64
    """Of what it is shown: a side, or all."""
    options: dict[str, Any] = field(default_factory=dict)
    """What else `heatlens.load` is given."""
    build: Callable[["Case"], heatlens.Subject] | None = None
    """What makes the subject, where no name does."""
    settled: bool = False
    """Whether the weights are fixed when the subject is there."""
    sided: str = ""
    """Why the mirrored image does not give the mirrored map; empty where it must."""
    columns: int = -1
    """The dimension of a kernel that runs from left to right."""

    @property
    def space(self) -> tuple[int, ...]:
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def load(self) -> heatlens.Subject:
        """The subject, as the library makes it without trained weights (the bundled one with its own)."""
        if self.build is not None:
            return self.build(self)
        weights = None if self.library == "bundled" else "none"
        return heatlens.load(self.model, weights=weights, **self.options)
