"""`heatlens boxes`: maps in files in, boxes around what they light up out; no model is asked."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...words.errors import BadValue, HeatlensError
from ..options.question import overwrite_option
from ..terminal import echo

if TYPE_CHECKING:
    from ...images import Box


@click.command(short_help="Find boxes in maps that are files already.")
@click.argument("maps", nargs=-1, required=True)
@click.option(
    "--threshold",
    metavar="SHARE",
    help="Above what a map counts: a share of its maximum, percentile:90, otsu or fixed:0.5.  [default: 0.3]",
)
@click.option(
    "--pick",
    type=click.Choice(["largest", "widest", "all", "release"]),
    default="largest",
    show_default=True,
    help="Which boxes: of the largest region, the largest box, of all regions, the CAM release's loose and tight ones.",
)
@click.option("--thresholds", metavar="N,N,N", help="Of 255, of the release's boxes.  [default: 20,100,110]")
@click.option("--refine", type=click.Choice(["grabcut"]), help="Grow regions along the edges of the photo.")
@click.option("--photo", metavar="FILE", help="The photo of the one map, of the same size: to refine, and to draw on.")
@click.option("--draw", metavar="FILE", help="Write the photo, or the one map, with its boxes as a picture.")
@overwrite_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "release"]),
    default="text",
    show_default=True,
    help="Of the answer; release: x y width height of every box, a line a map, as its program writes them.",
)
def boxes(maps: tuple[str, ...], form: str, **options: Any) -> int:
    """Boxes of MAPS: .npy arrays, or grey pictures whose levels are the map.

    Boxes are x0 y0 x1 y1 in the map's pixels, half-open, the best guess first.
    """
    if len(maps) > 1 and (options["photo"] or options["draw"]):
        raise BadValue(f"--photo and --draw for {len(maps)} maps", "one map")
    found: dict[str, list[Box]] = {}
    for name in maps:
        try:
            found[name] = _boxes(name, options)
        except HeatlensError as error:
            if isinstance(error, BadValue) or len(maps) == 1:
                raise
            echo(f"heatlens: {error}", err=True)
    if form == "json":
        echo(json.dumps([{"file": name, "boxes": own} for name, own in found.items()], indent=2))
    for name, own in found.items() if form != "json" else ():
        echo(_as_text(name, own) if form == "text" else _as_the_release(own))
    return 0 if len(found) == len(maps) else 1


def _boxes(name: str, options: dict[str, Any]) -> "list[Box]":
    import numpy as np

    from ...images import read_map, read_photo
    from ...localize import release_boxes, search

    values = read_map(name)
    photo = read_photo(options["photo"]) if options["photo"] else None
    if photo is not None and (photo.height, photo.width) != values.shape:
        raise BadValue(f"a photo of {(photo.height, photo.width)} for a map of {values.shape}", "one of the same size")
    if options["refine"] and photo is None:
        raise BadValue("--refine without a photo", "the photo whose edges regions grow along", "Name it with --photo")
    if options["thresholds"] and options["pick"] != "release":
        raise BadValue("--thresholds without --pick release", "--threshold for the other boxes")
    if options["pick"] == "release":
        if options["threshold"] or options["refine"]:
            raise BadValue("--threshold or --refine with --pick release", "its own --thresholds")
        found = release_boxes(values, *([_levels(options["thresholds"])] if options["thresholds"] else []))
    else:
        shares = values.astype(np.float32) / np.float32(255 if values.dtype == np.uint8 else 1)
        pixels = np.zeros((*values.shape, 3), np.uint8) if photo is None else photo.pixels
        how = {key: options[key] for key in ("threshold", "refine") if options[key]}
        found = search(shares, pixels, pick=options["pick"], **how)
    if options["draw"]:
        _draw(options, values, photo, found)
    return found


def _levels(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadValue(f"--thresholds {text!r}", "numbers of 255, such as 20,100,110") from None


def _draw(options: dict[str, Any], values: Any, photo: Any, found: "list[Box]") -> None:
    from ...images import boxed, colourise, save_image

    shown = photo.image() if photo is not None else None
    if shown is None:
        from PIL import Image

        shown = Image.fromarray(colourise(values))
    colours = ((230, 60, 40), (60, 160, 250))  # loose and tight
    labelled = [(box, colours[min(k, 1)], "") for k, box in enumerate(found)]
    path = Path(options["draw"]).expanduser()
    echo(str(save_image(path, boxed(shown, labelled), overwrite=options["overwrite"])), err=True)


def _as_text(name: str, found: "list[Box]") -> str:
    return f"{name}: {' '.join('({:.0f}, {:.0f}, {:.0f}, {:.0f})'.format(*box) for box in found) or 'no box'}"


def _as_the_release(found: "list[Box]") -> str:
    return " ".join(f"{x0:.0f} {y0:.0f} {x1 - x0:.0f} {y1 - y0:.0f}" for x0, y0, x1, y1 in found)
