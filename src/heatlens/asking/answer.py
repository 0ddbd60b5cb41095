"""What a look at a batch gives: maps, scores, and what should be known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
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


def joined(parts: Sequence[Seen]) -> Seen:
    """One answer from those of the parts of a batch, in their order."""
    first = parts[0]
    if len(parts) == 1:
        return first
    maps = [zip(*of_recipe, strict=True) for of_recipe in zip(*(part.maps for part in parts), strict=True)]
    rankings = [part.ranking for part in parts if part.ranking is not None]
    return replace(
        first,
        maps=[[torch.cat(of_target) for of_target in of_recipe] for of_recipe in maps],
        targets=_end_to_end([part.targets for part in parts]),
        scores=[torch.cat(of_target) for of_target in zip(*(part.scores for part in parts), strict=True)],
        probabilities=_end_to_end([part.probabilities for part in parts]),
        ranking=torch.cat(rankings) if len(rankings) == len(parts) else None,
        notes=[_end_to_end(rows) for rows in zip(*(part.notes for part in parts), strict=True)],
    )


def _end_to_end(parts: Sequence[Sequence[Sequence[Any]]]) -> list[list[Any]]:
    """[part][target][image] -> [target][image]."""
    return [list(chain(*of_target)) for of_target in zip(*parts, strict=True)]
