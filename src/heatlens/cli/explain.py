"""`heatlens explain`: photos in, labelled pictures and `explanations.json` out."""

from typing import Any

import click

from .options import Sections, model_options


@click.command(cls=Sections, short_help="Show where a model looks in photos.")
@click.argument("photos", nargs=-1, required=True)
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    default="bundled",
    show_default=True,
    help="bundled, torchvision/NAME or timm/NAME. All of them: heatlens models.",
)
@click.option(
    "--method",
    "-M",
    metavar="NAME",
    multiple=True,
    default=("grad_cam",),
    show_default=True,
    help="How; repeatable. All of them: heatlens methods.",
)
@click.option(
    "--target",
    "-t",
    metavar="CLASS",
    multiple=True,
    help="What: a class by name, index or wnid, '#2' for the second prediction, 'contrast:CLASS', 'probability:CLASS', "
    "'rest:CLASS', 'negative:CLASS', 'sum:CLASS+CLASS'; repeatable.  [default: the prediction]",
)
@click.option("--top", type=click.IntRange(1), metavar="K", help="The K strongest predictions.")
@click.option(
    "--layers",
    "-l",
    metavar="NAME",
    multiple=True,
    help="Where: heatlens layers MODEL; repeatable, several are fused.  [default: the recommended one]",
)
@click.option(
    "--fuse", metavar="NAME", help="Of several layers: mean, maximum, product, tanh_maximum.  [default: the method's]"
)
@click.option(
    "--average", metavar="NAME", help="Over flips, noise, path or scales; with settings: noise:samples=16,sigma=0.1."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the method; repeatable.")
@click.option(
    "--out", "-o", default="heatlens-out", show_default=True, metavar="FOLDER", help="Where the files go; made if new."
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
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", default=8, show_default=True, help="Photos at once.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="Of the network.",
)
@model_options
def explain(photos: tuple[str, ...], **options: Any) -> int:
    """Show where a model looks in PHOTOS (files, folders, patterns).

    Writes a labelled picture per photo, method and target, and explanations.json.
    """
    from .work import Work

    return Work(options).run(photos)
