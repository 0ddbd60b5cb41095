"""What the benchmark of every method asks: which methods, networks, photos and metrics make each of its studies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import heatlens
from heatlens.evaluate import Dataset, Request, Selection, open_dataset, read_subset, with_centre
from heatlens.metrics.criterion import find_criterion
from heatlens.recipes.asked import recipes
from heatlens.recipes.recipe import Recipe
from heatlens.recipes.shipped import RECIPES

from .networks import networks

PLACES = ("pointing_game", "pointing_game:tolerance=0", "max_box_acc", "max_box_acc_v2", "energy_in_box")
FAITHFUL_ONCE = ("insertion:step=3584", "deletion:step=3584", "average_drop")
FAITHFUL = (*FAITHFUL_ONCE, "adcc")
CHOSEN_WITH = "mobilenetv2_100"
"""The network that the recipes were chosen with, by `benchmarks.search`."""
FEW = ("squeezenet1_1",)
"""The networks that methods of many passes are asked for: the one with the fewest channels."""
_SLOWEST = ("is_cam", "poly_cam", "rise", "ss_cam")
_OFTEN = ("a picture", "a sample")
"""What the cost of a method says that asks the whole network many times."""


@dataclass(frozen=True)
class Study:
    """One of the evaluations that make the benchmark."""

    name: str
    title: str
    requests: dict[str, Request]
    """By network: each has a folder of its own, so that one can be added to those that are done."""

    @property
    def photos(self) -> set[str]:
        return {item.name for request in self.requests.values() for item in request.data.items}


def studies(names: tuple[str, ...], chosen: tuple[str, ...], limit: int | None, data: Path) -> list[Study]:
    """The evaluations; those for which no method or network is left are left out.

    names, chosen: only these networks, only these methods.
    """
    labels = open_dataset(f"csv:{data / 'images' / 'labels.csv'}")
    hard = hard_names(data)
    whole = _limited(_first(hard, Selection(match="ilsvrc_val/*").of(labels)), limit)
    unseen, spread = Selection(every=2, start=1).of(whole), Selection(every=40).of(whole)
    difficult = _some(whole, hard, 0)
    few = _some(whole, {item.name for item in difficult.items[::2]}, 50)
    quick, slow, slowest = _by_cost([Recipe(name) for name in chosen or heatlens.methods()])
    shipped = recipes(["grad_cam", *RECIPES], {})
    every = tuple(model.name for model in networks())
    rest = tuple(name for name in every if name != CHOSEN_WITH)
    first, places = (CHOSEN_WITH,), ("label", PLACES)
    asked = (
        ("recipes", "Photos that no recipe was chosen on", first, unseen, shipped, *places),
        ("carried", "Recipes on other networks", rest, _some(unseen, hard, 8), shipped, *places),
        ("recipes-hard", "Recipes on the hard photos", every, difficult, shipped, *places),
        ("places", "Methods of few passes", first, whole, quick, *places),
        ("places-others", "Methods of few passes on other networks", rest, _first(hard, whole), quick, *places),
        ("places-slow", "Methods of many passes", FEW, few, slow, *places),
        ("places-slowest", "Methods of thousands of passes", FEW, Selection(every=10).of(difficult), slowest, *places),
        ("faithful", "Faithfulness of methods of few passes", every, spread, (*quick, *shipped[1:]), None, FAITHFUL),
        ("faithful-slow", "Faithfulness of methods of many passes", FEW, spread, slow, None, FAITHFUL_ONCE),
    )
    found = []
    for name, title, meant, photos, methods, target, metrics in asked:
        those = tuple(n for n in meant if not names or n in names)
        if methods and those:
            found.append(Study(name, title, _requests(those, photos, methods, metrics, target)))
    return found


def _by_cost(methods: Sequence[Recipe]) -> tuple[list[Recipe], list[Recipe], list[Recipe]]:
    """Those that ask the whole network a few times, often, and thousands of times."""
    quick = [one for one in methods if not any(words in one.entry.cost for words in _OFTEN)]
    slowest = [one for one in methods if one.method in _SLOWEST]
    return quick, [one for one in methods if one not in quick + slowest], slowest


def _requests(
    names: tuple[str, ...], data: Dataset, recipes: Sequence[Recipe], metrics: Sequence[str], target: str | None
) -> dict[str, Request]:
    criteria = tuple(find_criterion(metric) for metric in metrics)
    those = with_centre(recipes, criteria)
    return {
        model.name: Request(data, (model,), those, criteria, target, batch_size=4, part_size=4)
        for model in networks(names)
    }


def hard_names(data: Path) -> set[str]:
    return set(read_subset(data / "images" / "hard_subset.txt"))


def _first(hard: set[str], whole: Dataset) -> Dataset:
    """All of them, the hard ones first: they are complete long before the others are."""
    return Dataset(whole.name, tuple(sorted(whole.items, key=lambda item: item.name not in hard)))


def _limited(whole: Dataset, limit: int | None) -> Dataset:
    """The first ones, in the order of their names."""
    return Dataset(whole.name, tuple(sorted(whole.items[:limit], key=lambda item: item.name)))


def _some(whole: Dataset, hard: set[str], every: int) -> Dataset:
    """Every so many, and the hard ones."""
    some = {item.name for item in whole.items[::every]} if every else set()
    return Dataset(whole.name, tuple(item for item in whole.items if item.name in some | hard))
