"""Every method x the trained networks: how well maps find things, and how much they matter to the score.

    python -m benchmarks.localisation --estimate     what it takes, from one photo for each method and network
    python -m benchmarks.localisation                runs, or carries on; then writes docs/benchmark.md

Recipes that were chosen on every second photo are measured on the others.  Methods that ask the network a few times see
every photo of `ilsvrc_val`, or every N-th with `--every N`, and all of the hard subset; those that ask it hundreds of
times see a tenth of that.  Faithfulness is measured on every twentieth photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from tqdm import tqdm

import heatlens
from heatlens.evaluate import (
    Dataset,
    Item,
    Request,
    Selection,
    Summary,
    as_markdown,
    open_dataset,
    read_subset,
    run,
    summarise,
    with_centre,
)
from heatlens.measuring import find_criterion
from heatlens.recipe import RECIPES, Recipe, recipes

from . import costs
from .networks import data_folder, networks

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
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


def studies(names: tuple[str, ...], chosen: tuple[str, ...], every: int, limit: int | None, data: Path) -> list[Study]:
    """The evaluations; those for which no method or network is left are left out."""
    labels = open_dataset(f"csv:{data / 'images' / 'labels.csv'}")
    whole = Selection(match="ilsvrc_val/*", limit=limit).of(labels)
    hard = hard_names(data)
    unseen = Selection(every=2, start=1).of(whole)
    spread = Selection(every=26).of(whole)
    some, difficult = _some(whole, hard, every), _some(whole, hard, 0)
    quick, slow, slowest = _by_cost([Recipe(name) for name in chosen or heatlens.methods()])
    shipped = recipes(["grad_cam", *RECIPES], {}, None, None, None)
    others = tuple(model.name for model in networks() if model.name not in (CHOSEN_WITH, *FEW))
    places = ("label", PLACES)
    asked = (
        ("recipes", "Photos that no recipe was chosen on", (CHOSEN_WITH,), unseen, shipped, *places),
        ("carried", "Recipes on other networks", others, _some(unseen, hard, 4), shipped, *places),
        ("recipes-hard", "Recipes on the hard photos", (), difficult, shipped, *places),
        ("places", "Methods of few passes", (), some, quick, *places),
        ("places-slow", "Methods of many passes", FEW, _some(whole, hard, 50), slow, *places),
        ("places-slowest", "Methods of thousands of passes", FEW, Selection(every=5).of(difficult), slowest, *places),
        ("faithful", "Faithfulness of methods of few passes", (), spread, quick, None, FAITHFUL),
        ("faithful-slow", "Faithfulness of methods of many passes", FEW, spread, slow, None, FAITHFUL_ONCE),
    )
    found = []
    for name, title, meant, photos, methods, target, metrics in asked:
        those = tuple(n for n in (meant or _all()) if not names or n in names)
        if methods and those:
            found.append(Study(name, title, _requests(those, photos, methods, metrics, target)))
    return found


def _all() -> tuple[str, ...]:
    return tuple(model.name for model in networks())


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


def _some(whole: Dataset, hard: set[str], every: int) -> Dataset:
    """Every so many, and the hard ones."""
    some = {item.name for item in whole.items[::every]} if every else set()
    return Dataset(whole.name, tuple(item for item in whole.items if item.name in some | hard))


def estimate(asked: Sequence[Study], item: Item) -> None:
    """Hours on one core, from measured costs; those that are missing are measured now."""
    requests = [request for study in asked for request in study.requests.values()]
    metrics = sorted({find_criterion(c).name for request in requests for c in request.criteria})
    methods = sorted({recipe.entry.name for request in requests for recipe in request.recipes})
    for model in networks():
        if any(model in request.models for request in requests):
            costs.measure(model, item, methods, metrics, click.echo)
    known = costs.kept()
    total = 0.0
    for study in asked:
        hours = sum(_hours(request, known[name]) for name, request in study.requests.items())
        total += hours
        click.echo(f"{study.name:12} {study.title:45} {hours:7.1f} hours on one core")
    click.echo(f"{'together':58} {total:7.1f}")


def _hours(request: Request, known: dict[str, dict[str, float | None]]) -> float:
    metrics = sum(known["metrics"][find_criterion(c).name] or 0.0 for c in request.criteria)
    again = (
        2 if any(find_criterion(c).metric.name == "adcc" for c in request.criteria) else 1
    )  # coherency explains twice
    methods = [known["methods"].get(recipe.entry.name) for recipe in request.recipes]
    return len(request.data) * sum(metrics + again * took for took in methods if took is not None) / 3600


@click.command()
@click.option("--estimate", "only", is_flag=True, help="Only say how long it takes.")
@click.option("--network", multiple=True, help="Only these; repeatable.")
@click.option("--method", multiple=True, help="Only these; repeatable.")
@click.option(
    "--study", "chosen", multiple=True, help="Only these: recipes, recipes-hard, places, places-slow, faithful."
)
@click.option("--every", default=1, show_default=True, help="Every N-th photo, beside the hard ones.")
@click.option("--limit", type=int, help="Only the first N photos, to try it out.")
@click.option("--workers", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmark-out"), show_default=True)
@click.option("--page", type=click.Path(path_type=Path), default=PAGE, show_default=True)
def main(
    only: bool,
    network: tuple[str, ...],
    method: tuple[str, ...],
    chosen: tuple[str, ...],
    every: int,
    limit: int | None,
    workers: int,
    out: Path,
    page: Path,
) -> None:
    """Measure every method on the trained networks; ended at any moment, the same command carries on."""
    data = data_folder()
    asked = studies(network, method, every, limit, data)
    wanted = [one for one in asked if not chosen or one.name in chosen]
    torch.set_num_threads(1)
    if only:
        estimate(wanted, next(iter(wanted[0].requests.values())).data.items[0])
    for study, name, request in [] if only else [(one, *pair) for one in wanted for pair in one.requests.items()]:
        with tqdm(total=len(request.data), unit="photo", desc=f"{study.name}, {name}", smoothing=0.05) as bar:
            run(request, out / study.name / name, workers=workers, watch=lambda n, _, bar=bar: bar.update(n))
    if not only:
        page.write_text(written(asked, out, data), "utf-8")
        click.echo(f"{page}")


def written(asked: Sequence[Study], out: Path, data: Path) -> str:
    """The page: each study on all its photos, and the places on the hard ones."""
    parts = [_INTRO]
    for study in [one for one in asked if (out / one.name).is_dir()]:
        parts.append(f"## {study.title}\n\n{_tables(_summaries(study, out))}")
        hard = study.photos & hard_names(data)
        if study.name == "recipes":
            easy = study.photos - hard_names(data)
            parts.append(f"## {study.title}: those that are not hard\n\n{_tables(_summaries(study, out, easy))}")
        if study.name in ("places", "places-slow", "transformers") and hard:
            parts.append(f"## {study.title}: the hard photos\n\n{_tables(_summaries(study, out, hard))}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summaries(study: Study, out: Path, photos: set[str] | None = None) -> list[Summary]:
    folders = [out / study.name / network for network in study.requests]
    return [one for folder in folders if any(folder.rglob("*.parquet")) for one in summarise(folder, photos=photos)]


def _tables(summaries: list[Summary]) -> str:
    """Methods that do not work on a network are left out of its table."""
    works = {(one.model, one.recipe) for one in summaries if one.photos}
    return as_markdown([one for one in summaries if (one.model, one.recipe) in works])


_INTRO = """# Benchmark

Made by `python -m benchmarks.localisation`: every method with its own settings at the layer that heatlens recommends,
on trained networks and ImageNet photos squashed to the model's input. Places are those of the true class, whatever the
network predicts (GT-known); faithfulness is that of the prediction. Each number has its 95 % interval, by resampling
photos; the best of a column is bold. `centre` is a blob in the middle of the photo.

The column *photos* says how many were looked at: all, or every so many together with the hard ones, which are 38 of
the 650. Hard photos are those on which most networks are right, the boxes cover at most a third of the photo and its
middle lies outside them. `insertion` and `deletion` change 1792 pixels at a time. Two of the networks were recovered
from 8-bit weights. A method that a network cannot give (no linear head, no attention) is not listed for it.

`precise` (`heatlens explain --recipe precise`) was chosen among some 300 combinations of layers, methods, sizes,
targets and fusions, with `mobilenetv2_100`, on every second photo in sorted order (21 of the 38 hard ones are among
these), by the sum of pointing and MaxBoxAccV2 on all of them and on those whose middle lies outside the boxes. It costs
what 27 forward and backward passes cost at the usual size. The pointing game has a margin of 15 pixels unless it says
`tolerance=0`.
"""


if __name__ == "__main__":
    main()
