"""What a look at a batch gives: maps, scores, and what should be known of them."""

from dataclasses import dataclass

from torch import Tensor

from ..recipes.recipe import Recipe
from ..targets import Target
from ..words.notation import Maps


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
