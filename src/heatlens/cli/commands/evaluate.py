"""`heatlens evaluate`: a data set in, a table of how well maps do out."""

from pathlib import Path
from typing import Any

import click

from ..options.model import Sections, model_options
from ..options.question import overwrite_option, recipe_options
from ..running.progress import reading
from ..terminal import echo


@click.command(cls=Sections, short_help="Measure methods on a data set.")
@click.argument("dataset")
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    multiple=True,
    help="bundled, torchvision/NAME or timm/NAME; repeatable.  [default: bundled]",
)
@click.option("--models", metavar="FILE", help="TOML: a section for each model with weights and options of its own.")
@recipe_options
@click.option(
    "--target",
    "-t",
    metavar="CLASS",
    help="What: 'label' (the true class), 'prediction', or any class.  [default: label where a metric asks what is "
    "true, else prediction]",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    default=("pointing_game", "energy_in_box"),
    show_default=True,
    help="With settings: deletion:step=448; repeatable. All of them: heatlens metrics.",
)
@click.option("--dataset-arg", multiple=True, metavar="KEY=VALUE", help="Of the data set's form, e.g. root=FOLDER.")
@click.option("--match", default="", metavar="PATTERN", help="Only photos whose names are like this: 'val/*'.")
@click.option("--subset", metavar="FILE", help="Only the photos that a file names, one per line.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Only every N-th photo in sorted order,")
@click.option("--start", type=click.IntRange(0), default=0, metavar="K", help="… from the K-th on, counted from 0.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N photos.")
@click.option("--out", "-o", default="heatlens-evaluation", show_default=True, metavar="FOLDER", help="The results.")
@click.option("--quiet", "-q", is_flag=True, help="Print the table and errors only.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This machine or a cluster.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes at once.  [default: 1; with ray what there is room for]",
)
@click.option(
    "--address", metavar="HOST:PORT", help="Of a running Ray cluster.  [default: RAY_ADDRESS, or one of its own]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of metrics that draw.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", default=8, show_default=True, help="Photos at once.")
@click.option(
    "--part-size", type=click.IntRange(1), metavar="N", default=16, show_default=True, help="Photos written together."
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="Of the network.",
)
@model_options
def evaluate(dataset: str, **options: Any) -> int:
    """Measure on DATASET (FORM:PATH, or a path) how well maps do, and print a table.

    Forms: folder, csv, ilsvrc, cub, coco, wsol, masks. Ended at any moment, the same command carries on. The table is
    printed again by heatlens table.
    """
    from ..running.evaluation import Evaluating

    return Evaluating(dataset, options).run()


@click.command(cls=Sections, short_help="Print or export the table of an evaluation.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv"]),
    default="text",
    show_default=True,
    help="Of the table.",
)
@click.option("--per-class", is_flag=True, help="Also for every class, and the mean over the classes.")
@click.option("--rows", type=click.Path(path_type=Path), metavar="FILE", help="Write all rows as .parquet or .csv.")
@click.option(
    "--curves",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the curves of all photos together: PNG and CSV.",
)
@overwrite_option
def table(folder: Path, form: str, per_class: bool, rows: Path | None, curves: Path | None, overwrite: bool) -> None:
    """Print the table of FOLDER, which heatlens evaluate wrote; also of one that is not finished."""
    from ...evaluate import as_csv, as_markdown, as_text, export, summarise, write_curves

    folder = folder.expanduser()
    shown = {"text": as_text, "markdown": as_markdown, "csv": as_csv}[form]
    with reading("table") as progress:
        found = summarise(folder, per_class=per_class, progress=progress)
    echo(shown(found).rstrip("\n"))
    with reading("rows") as progress:
        written = [export(folder, rows.expanduser(), progress, overwrite=overwrite)] if rows else []
    with reading("curves") as progress:
        drawn = write_curves(folder, curves.expanduser(), progress, overwrite=overwrite) if curves else []
    for path in [*written, *drawn]:
        echo(str(path), err=True)
    if curves and not drawn:
        echo(f"heatlens: no metric of {folder} has a curve; deletion:curve=true would have one", err=True)
