"""Workers that die: their units are done again, but not for ever."""

from collections import Counter
from dataclasses import dataclass, field

from ...words.errors import HeatlensError
from ..requests.request import Unit

ATTEMPTS = 4
"""How often a unit may be under way when a worker dies."""


class WorkerLost(HeatlensError):
    """Workers die again and again."""


@dataclass
class Losses:
    """Which units were under way when workers died, and how often."""

    counted: Counter[str] = field(default_factory=Counter)

    def add(self, unit: Unit) -> None:
        """Note a loss; raises WorkerLost where the unit seems to be what kills."""
        self.counted[unit.name] += 1
        if self.counted[unit.name] >= ATTEMPTS:
            raise WorkerLost(
                f"{ATTEMPTS} workers died while they measured {unit.items[0].name} to {unit.items[-1].name}",
                "enough memory for a batch",
                "Use fewer workers or a smaller batch, in a new folder",
            )
