"""`heatlens methods`: every method, its paper, what it needs, its settings and its cost."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...words.signature import Entry


@click.command(short_help="List the methods: paper, needs, settings, cost.")
@click.argument("names", nargs=-1)
@click.option("--short", is_flag=True, help="One line each.")
def methods(names: tuple[str, ...], short: bool) -> None:
    """Describe the methods of these NAMES, or all."""
    from ... import methods as contents
    from ...methods.contents import find_method

    entries = [find_method(name) for name in names or contents()]
    click.echo("\n".join(_table(entries)) if short else "\n\n".join(map(_described, entries)))


def _table(entries: "Sequence[Entry]") -> list[str]:
    width = max(len(entry.name) for entry in entries)
    return [f"{entry.name:{width}}  {entry.cost}" for entry in entries]


def _described(entry: "Entry") -> str:
    from ...words.signature import needs, settings

    knobs = ", ".join(f"{key}={value}" for key, value in settings(entry.function).items())
    facts = {
        "paper": entry.paper,
        "needs": ", ".join(needs(entry.function)),
        "settings": knobs or "none",
        "cost": entry.cost,
    }
    return described(entry.name, facts)


def described(name: str, facts: dict[str, str]) -> str:
    """A name with what is known of it, line by line."""
    lines = [
        fill(text, _width(), initial_indent=f"  {key:10}", subsequent_indent=" " * 12, break_on_hyphens=False)
        for key, text in facts.items()
    ]
    return "\n".join([click.style(name, bold=True), *lines])


def _width() -> int:
    """How long a line may be."""
    from shutil import get_terminal_size

    return max(60, min(get_terminal_size((100, 24)).columns, 110))
