"""`heatlens classes`: what a model's outputs are called."""

from typing import Any

import click

from ..options.model import Sections, model_options, subject_from
from ..terminal import echo


@click.command(cls=Sections, short_help="List a model's classes: index, name, synonyms.")
@click.argument("model")
@click.option("--filter", "part", default="", metavar="TEXT", help="Only names that contain this.")
@model_options
def classes(model: str, part: str, **options: Any) -> None:
    """List the classes of MODEL, with wnids and synonyms where they are known."""
    unread = None if model == "bundled" else "none"  # names need no weights
    known = subject_from(model, {**options, "weights": options["weights"] or unread}).classes
    if not len(known):
        echo("the classes of this model have no names; explain them by index")
    for index, name in enumerate(known.names):
        others = [*(known.wnids[index] if known.wnids else ()), *(known.synonyms[index] if known.synonyms else ())]
        row = f"{index:5}  {name}{'  (' + ', '.join(others) + ')' if others else ''}"
        if part.lower() in row.lower():
            echo(row)
