"""What is explained of each image of a scene: targets settled on what the model says of it, and how much they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..engine.passes.scene import Scene
from ..recipes.recipe import Recipe
from ..targets import (
    Anything,
    ClassTarget,
    Target,
    are_detections,
    class_logits,
    class_probabilities,
    contrasted,
    fitting,
    score_each,
    scores_in,
    settle_each,
)
from ..words.errors import HeatlensError
from ..words.trees import Tree


@dataclass(frozen=True)
class Aims:
    """[target][image]: by themselves, and against classes that are like them."""

    settled: list[list[Target]]
    sharper: list[list[Target]]
    notes: list[list[str]]
    """[target]: what a person should know of how it was read."""

    def of(self, images: slice) -> "Aims":
        """Of some of the images."""
        return Aims([row[images] for row in self.settled], [row[images] for row in self.sharper], self.notes)

    def scores(self, outputs: Tree) -> list[Tensor]:
        """y (n,) of each target; NaN where nothing is asked."""
        return [_scored(outputs, row) for row in self.settled]


def aims_of(
    scene: Scene,
    chosen_on: Tree | None,
    recipes: Sequence[Recipe],
    targets: Sequence[Sequence[Target]],
    usual: Target,
    *,
    blindly: bool,
) -> Aims:
    """The targets for what the model says.  usual: what is meant where nobody asked for anything.

    chosen_on: the outputs that open choices are made on; None: the scene's own.
    Methods that know no class need none, where nobody asked for one and the model's answer names none.  blindly: they
    are not even told it.
    """
    nameless = not any(recipe.knows_class for recipe in recipes)
    blind = blindly and not any(recipe.knows_target for recipe in recipes)
    settled: list[list[Target]] = []
    notes: list[list[str]] = []
    for row in targets:
        unasked = nameless and all(target == usual for target in row)
        found, said = ([Anything()] * len(row), []) if unasked and blind else _settled(scene, chosen_on, row, unasked)
        if blind and not unasked:
            score_each(_said(scene, chosen_on), found)  # a target that no method needs has to be one all the same
        settled.append(found)
        notes.append(said + (scene.remarks if any(map(_speaks_of_class, found)) else []))
    against = any(recipe.contrast for recipe in recipes)
    return Aims(settled, [contrasted(_said(scene, chosen_on), row) for row in settled] if against else settled, notes)


def ranking(outputs: Tree) -> Tensor | None:
    """Class probabilities (n, classes), where the outputs are scores of at least two classes."""
    scores = None if are_detections(outputs) else scores_in(outputs)
    if scores is None or scores.ndim not in (1, 2) or class_logits(outputs).shape[1] < 2:
        return None
    return class_probabilities(outputs).detach().float()


def probabilities(ranking: Tensor | None, settled: Sequence[Sequence[Target]]) -> list[list[float | None]]:
    """[target][image]: of the target's class; None where it has none.  ranking: as above."""
    found: list[list[float | None]] = [[None] * len(row) for row in settled]
    each = [(t, i, _class_of(target)) for t, row in enumerate(settled) for i, target in enumerate(row)]
    classes = [(t, i, c) for t, i, c in each if c is not None]
    if ranking is None or not classes:
        return found
    _, images, columns = zip(*classes, strict=True)
    for (t, i, _), likely in zip(classes, ranking[list(images), list(columns)].tolist(), strict=True):
        found[t][i] = likely
    return found


def _said(scene: Scene, chosen_on: Tree | None) -> Tree:
    """Looked at only where it is needed, since it may cost a pass to know what it means."""
    return scene.outputs if chosen_on is None else chosen_on


def _settled(
    scene: Scene, chosen_on: Tree | None, row: Sequence[Target], unasked: bool
) -> tuple[list[Target], list[str]]:
    images, outputs = len(row), _said(scene, chosen_on)
    try:
        known = {id(target): fitting(target, outputs, scene.images.ndim - 2) for target in row}
        fitted = [known[id(target)] for target in row]
        found = settle_each([target for target, _ in fitted], outputs)
    except HeatlensError:
        if not unasked:
            raise
        return [Anything()] * images, []
    return found, list(dict.fromkeys(said for _, notes in fitted for said in notes))


def _class_of(target: Target) -> int | None:
    return target.index if isinstance(target, ClassTarget) else None


def _speaks_of_class(target: Target) -> bool:
    return _class_of(target) is not None


def _scored(outputs: Tree, row: Sequence[Target]) -> Tensor:
    if any(isinstance(target, Anything) for target in row):
        return torch.full((len(row),), torch.nan)
    return score_each(outputs, row)
