"""Every method x the trained networks: how well maps find things, and how much they matter to the score.

    python -m benchmarks.localisation --estimate     what it takes, from one photo for each method and network
    python -m benchmarks.localisation                runs, or carries on; then writes docs/benchmark.md

Recipes that were chosen on every second photo are measured on the others.  Methods that ask the network a few times see
every photo of `ilsvrc_val`; those that ask it hundreds or thousands of times see few, with the smallest network.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import torch
from tqdm import tqdm

from heatlens.evaluate import Item, Request, run
from heatlens.metrics.criterion import find_criterion
from heatlens.recipes.shipped import RECIPES

from . import costs
from .networks import data_folder, networks
from .studies import Study, studies
from .study_page import written

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"


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
@click.option("--page-only", is_flag=True, help="Only write the page, from what has run so far.")
@click.option("--network", multiple=True, help="Only these; repeatable.")
@click.option("--method", multiple=True, help="Only these; repeatable.")
@click.option(
    "--study",
    "chosen",
    multiple=True,
    help="Only these: recipes, carried, recipes-hard, places, places-others, places-slow, places-slowest, faithful, "
    "faithful-slow.",
)
@click.option("--limit", type=int, help="Only the first N photos, to try it out.")
@click.option("--workers", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmark-out"), show_default=True)
@click.option("--page", type=click.Path(path_type=Path), default=PAGE, show_default=True)
def main(
    only: bool,
    page_only: bool,
    network: tuple[str, ...],
    method: tuple[str, ...],
    chosen: tuple[str, ...],
    limit: int | None,
    workers: int,
    out: Path,
    page: Path,
) -> None:
    """Measure every method on the trained networks; ended at any moment, the same command carries on."""
    data = data_folder()
    asked = studies(network, method, limit, data)
    wanted = [one for one in asked if not chosen or one.name in chosen]
    torch.set_num_threads(1)
    if only:
        estimate(wanted, next(iter(wanted[0].requests.values())).data.items[0])
        return
    for study, name, request in [] if page_only else [(one, *pair) for one in wanted for pair in one.requests.items()]:
        with tqdm(total=len(request.data), unit="photo", desc=f"{study.name}, {name}", smoothing=0.05) as bar:
            run(request, out / study.name / name, workers=workers, watch=lambda n, _, bar=bar: bar.update(n))
    item = next(iter(asked[0].requests.values())).data.items[0]
    for model in networks(network):
        costs.measure(model, item, ["grad_cam", *RECIPES], [], click.echo)
    page.write_text(written(asked, out, data), "utf-8")
    click.echo(f"{page}")


if __name__ == "__main__":
    main()
