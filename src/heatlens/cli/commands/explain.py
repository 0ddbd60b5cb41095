"""`heatlens explain`: photos in, labelled pictures and `explanations.json` out."""

from typing import Any

import click

from ..options.model import Sections, model_options
from ..options.question import asking_options, overwrite_option, running_options


@click.command(cls=Sections, short_help="Show where a model looks in photos.")
@click.argument("photos", nargs=-1, required=True)
@asking_options
@click.option(
    "--out",
    "-o",
    default="heatlens-out",
    show_default=True,
    metavar="FOLDER|FILE",
    help="Where the files go; made if new. A name such as cat.png is the one picture, with --save grid the page.",
)
@click.option(
    "--save",
    default="png",
    show_default=True,
    metavar="KINDS",
    help="png (a picture each), grid (one picture per photo), npy (the map), json; joined by commas.",
)
@click.option("--cmap", metavar="NAME", help="A colour map of matplotlib.  [default: a perceptually uniform one]")
@click.option("--alpha", type=click.FloatRange(0, 1), metavar="SHARE", help="Opacity of the heat, 0 to 1.")
@click.option(
    "--contour",
    type=float,
    multiple=True,
    metavar="SHARE",
    help="Line around what has at least this share of the peak.",
)
@click.option("--peak", is_flag=True, help="Mark the highest point.")
@click.option(
    "--title",
    metavar="TEXT",
    help="Above the map: {target}, {probability}, {score}, {method}, {layers}, {model} and {photo} are filled in.",
)
@overwrite_option
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@running_options
@model_options
def explain(photos: tuple[str, ...], **options: Any) -> int:
    """Show where a model looks in PHOTOS (files, folders, patterns).

    Writes a labelled picture per photo, method and target, and explanations.json.
    """
    from ..files.one_file import OneFile, is_file
    from ..files.pictures import Pictures
    from ..running.photos import Work

    return Work(options, OneFile(options) if is_file(options["out"]) else Pictures(options)).run(photos)
