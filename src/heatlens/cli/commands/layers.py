"""`heatlens layers`: every layer of a model, what it returns, and which one is recommended."""

from typing import TYPE_CHECKING, Any

import click

from ..options.model import Sections, model_options, subject_from
from ..terminal import echo

if TYPE_CHECKING:
    from ...models.reading.layers import Layer


@click.command(cls=Sections, short_help="List a model's layers; the recommended one is marked.")
@click.argument("model")
@click.option("--filter", "part", default="", metavar="TEXT", help="Only names that contain this.")
@model_options
def layers(model: str, part: str, **options: Any) -> None:
    """List every layer of MODEL in the order of a forward pass: number, name, type, output shape, places of its map.

    The number stands for the layer in --layers; what has no map has none.
    """
    from ...models.reading.layers import list_layers

    subject = subject_from(model, options)
    declared = subject.default_layers() if subject.layers else ()
    found = list_layers(subject.model, (subject.blank(),), {}, subject.reading, declared)
    rows = [layer for layer in found if part in layer.name or layer.recommended]
    table = [("#", "layer", "type", "output", "map"), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for layer, cells in zip([None, *rows], table, strict=True):
        best = layer is not None and layer.recommended
        text = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
        echo(f"* {text}", bold=True) if best else echo(f"  {text}")
    why = "what is declared for this model" if subject.layers else "the last layer whose map still carries gradient"
    if any(layer.recommended for layer in found):
        echo(f"* recommended: {why}")
    else:
        echo("none recommended: no layer has places that still reach the score (untrained heads may be zero)")


def _cells(layer: "Layer") -> tuple[str, ...]:
    shape = "x".join(map(str, layer.shape)) or "no tensor"
    number = "" if layer.number is None else str(layer.number)
    kind = layer.kind if layer.calls == 1 else f"{layer.kind} x{layer.calls}"
    return number, layer.name, kind, shape, "x".join(map(str, layer.space)) or "none"
