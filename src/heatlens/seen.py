"""What is wished of a look, and what comes of it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .engine.batching import Progress
from .notation import Maps
from .recipe import Recipe
from .targets import Target


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


@dataclass(frozen=True)
class Seen:
    """What came of it: `maps[recipe][target]` is (n, *space); `targets[target][image]` is settled."""

    recipes: list[Recipe]
    maps: list[list[Maps]]
    targets: list[list[Target]]
    scores: list[Tensor]
    """One (n,) per target, where they were asked for; NaN where nothing is explained."""
    probabilities: list[list[float | None]]
    """[target][image]; None where a target has no class."""
    ranking: Tensor | None
    """Class probabilities (n, classes), where the outputs are class scores."""
    notes: list[list[list[list[str]]]]
    """[recipe][target][image]: what the person should know."""
