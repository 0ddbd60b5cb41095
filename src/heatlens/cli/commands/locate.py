"""`heatlens locate`: photos in, boxes around what was found out, drawn and as JSON."""

from typing import Any

import click

from ..options.model import Sections, model_options
from ..options.question import asking_options, overwrite_option, running_options


class FormName(click.ParamType):  # type: ignore[type-arg]
    """A form of annotations by its name; which there are is asked when one is named."""

    name = "form"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ...localize import FORMS

        if value not in FORMS:
            self.fail(f"{value!r} is not one of {', '.join(map(repr, sorted(FORMS)))}.", param, ctx)
        return value


@click.command(cls=Sections, short_help="Find where things are in photos: boxes.")
@click.argument("photos", nargs=-1, required=True)
@asking_options
@click.option(
    "--threshold",
    metavar="SHARE",
    help="Above what the map counts: a share of its maximum, percentile:90, otsu or fixed:0.5.  [default: 0.3]",
)
@click.option(
    "--pick",
    type=click.Choice(["largest", "widest", "all", "release"]),
    default="largest",
    show_default=True,
    help="Which boxes: of the largest region, the largest box, of all regions, the CAM release's loose and tight ones.",
)
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Of the class in the whole photo; what is less probable is not found.  [default: 0.02]",
)
@click.option("--refine", type=click.Choice(["grabcut"]), help="Grow regions along the edges of the photo.")
@click.option(
    "--out", "-o", default="heatlens-out", show_default=True, metavar="FOLDER", help="Where the files go; made if new."
)
@click.option(
    "--save",
    default="png",
    show_default=True,
    metavar="KINDS",
    help="png (the photo with its boxes), heat (a map and its boxes each), none; joined by commas.",
)
@click.option(
    "--format",
    "formats",
    type=FormName(),
    multiple=True,
    help="Beside boxes.json: coco (coco.json), or voc (a Pascal VOC XML file per photo); repeatable.",
)
@overwrite_option
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@running_options
@model_options
def locate(photos: tuple[str, ...], **options: Any) -> int:
    """Find where things are in PHOTOS (files, folders, patterns).

    Writes each photo with boxes around what its map lights up, and boxes.json.
    """
    from ..files.boxes import Places
    from ..running.photos import Work

    return Work(options, Places(options)).run(photos)
