"""`heatlens describe`: what a model says of photos in words: classes, what kind they are, attributes."""

import json
from typing import TYPE_CHECKING, Any

import click

from ..options.model import Sections, model_options, subject_from
from ..terminal import echo

if TYPE_CHECKING:
    from ...asking.describe import Description

_ATTRIBUTES = 9
"""How many are said, as in Places' own demo."""


@click.command(cls=Sections, short_help="Say what a model sees in photos, in words.")
@click.argument("photos", nargs=-1, required=True)
@click.option("--model", "-m", metavar="NAME", default="bundled", show_default=True, help="As for heatlens explain.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="K", help="The K first classes.")
@click.option("--kinds", metavar="FILE", help="What kind each class is of: IO_places365.txt says indoor, outdoor.")
@click.option(
    "--votes",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many of the first classes vote for a kind.",
)
@click.option("--attributes", metavar="FILE", help="Names of attributes, such as labels_sunattribute.txt.")
@click.option("--attribute-weights", metavar="FILE", help="Their weights on the features: a .npy file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", default=8, show_default=True, help="Photos at once.")
@model_options
def describe(photos: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Say what a model sees in PHOTOS (files, folders, patterns): its classes, what kind they are, attributes."""
    from ...asking.batches import FailedPhoto
    from ...asking.describe import describe as described
    from ...images import find_photos

    words = ("kinds", "votes", "attributes", "attribute_weights", "top", "batch_size")
    found = described(
        subject_from(options["model"], options), list(find_photos(photos)), **{word: options[word] for word in words}
    )
    good = [one for one in found if not isinstance(one, FailedPhoto)]
    if as_json:
        echo(json.dumps([one.record() for one in good], indent=2, ensure_ascii=False))
    for one in found:
        if isinstance(one, FailedPhoto):
            echo(f"heatlens: {one.error}", err=True)
        elif not as_json:
            echo("\n".join(_lines(one)))
    return 0 if len(good) == len(found) else 1 if good else 2


def _lines(one: "Description") -> list[str]:
    said = [f"{one.photo.name}: {', '.join(f'{name} {likely:.1%}' for name, likely in one.predictions)}"]
    if one.votes is not None:
        votes = ", ".join(f"{count} of {sum(one.votes.values())} {kind}" for kind, count in one.votes.items())
        said.append(f"  {one.kind} ({votes})")
    if one.attributes:
        said.append(f"  {', '.join(name for name, _ in one.attributes[:_ATTRIBUTES])}")
    return said
