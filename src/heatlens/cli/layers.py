"""`heatlens layers`: every layer of a model, what it returns, and which one is recommended."""

from typing import Any

import click

from .options import model_options, subject_from


@click.command(short_help="List a model's layers; the recommended one is marked.")
@click.argument("model")
@click.option("--filter", "part", default="", metavar="TEXT", help="Only names that contain this.")
@model_options
def layers(model: str, part: str, **options: Any) -> None:
    """List every layer of MODEL in the order of a forward pass: name, type, output shape, places of its map."""
    from ..models.layers import list_layers

    subject = subject_from(model, options)
    found = list_layers(subject.model, (subject.blank(),), {}, subject.reading)
    rows = [layer for layer in found if part in layer.name or layer.recommended]
    width = max((len(layer.name) for layer in rows), default=0)
    for layer in rows:
        mark = "*" if layer.recommended else " "
        places = "x".join(map(str, layer.space)) or "no map"
        text = f"{mark} {layer.name:{width}}  {layer.kind:24} {layer.shape!s:24} {places}"
        click.echo(click.style(text, bold=True) if layer.recommended else text)
    click.echo("* recommended: the last layer whose map still carries gradient")
