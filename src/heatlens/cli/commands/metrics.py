"""`heatlens metrics`: every metric, its source, what it needs, its settings, and which way is better."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .methods import described

if TYPE_CHECKING:
    from ...words.metric import Metric


@click.command(short_help="List the metrics: source, needs, settings, which way is better.")
@click.argument("names", nargs=-1)
@click.option("--short", is_flag=True, help="One line each.")
def metrics(names: tuple[str, ...], short: bool) -> None:
    """Describe the metrics of these NAMES, or all."""
    from ...metrics.contents import all_metrics, find_metric

    found = [find_metric(name) for name in names] or all_metrics()
    click.echo("\n".join(_table(found)) if short else "\n\n".join(map(_described, found)))


def _table(found: "Sequence[Metric]") -> list[str]:
    width = max(len(metric.name) for metric in found)
    return [f"{metric.name:{width}}  {_better(metric)}" for metric in found]


def _better(metric: "Metric") -> str:
    truth = ", needs the truth about the photos" if metric.needs_truth else ""
    return f"{metric.better} is better{truth}"


def _described(metric: "Metric") -> str:
    from ...words.signature import needs, settings
    from ...words.wording import worded

    knobs = ", ".join(f"{key}={worded(value)}" for key, value in settings(metric.function).items())
    facts = {
        "source": metric.source,
        "needs": ", ".join(needs(metric.function)),
        "settings": knobs or "none",
        "better": _better(metric).removesuffix(" is better").replace(" is better,", ","),
    }
    return described(metric.name, facts)
