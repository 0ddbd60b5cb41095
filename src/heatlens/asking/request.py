"""How a look at a batch is made."""

from dataclasses import dataclass

import torch

from ..engine.forward.batching import Progress


@dataclass(frozen=True)
class Wishes:
    """How a look is computed, and in what form its maps come."""

    upsample: bool = True
    """At the size of the model's input, else of the layer."""
    differentiable: bool = False
    precision: torch.dtype | None = None
    progress: Progress | None = None
    compiled: bool = False
    scores: bool = True
    """Whether the scores and the model's ranking of classes are asked for, not only the maps."""
    notes: bool = True
    """Whether what a person should know of the maps is asked for."""
