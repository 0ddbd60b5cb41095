"""`heatlens models`: the names that `--model` understands."""

import click

from ...words.errors import MissingExtra
from ..terminal import echo


@click.command(short_help="List the models that have names.")
@click.argument("library", default="")
@click.option("--filter", "part", default="", metavar="TEXT", help="Only names that contain this.")
def models(library: str, part: str) -> None:
    """List the names of all models, or those of one LIBRARY (bundled, torchvision, timm, mmpretrain, transformers)."""
    from ...models.bundled.load import BUNDLED, TERMS
    from ...models.libraries.transformers import families
    from ...models.loading import names_by_library

    for name, names in names_by_library(library).items():
        try:
            for model in names():
                if part.lower() in model.lower():
                    echo(model if name == "bundled" else f"{name}/{model}")
            if name == "transformers":
                echo(f"transformers/NAME of the hub, or transformers/FOLDER: {', '.join(families())}", err=True)
        except MissingExtra as error:
            echo(f"heatlens: {error}", err=True)
    if library in ("", BUNDLED.name):
        echo(f"{BUNDLED.name}: {TERMS}", err=True)
    if not library:
        echo("and files: NAME.onnx, NAME.pt2, NAME.torchscript, caffe/deploy.prototxt", err=True)
        echo("and any torch.nn.Module, in Python: heatlens.load(module)", err=True)
