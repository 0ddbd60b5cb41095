"""`heatlens explain`: photos in, labelled pictures and `explanations.json` out."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadValue, HeatlensError
from .options import model_options, pairs, subject_from

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..images import Photo
    from ..models import Subject

_KINDS = ("png", "npy", "json", "grid")


@click.command(short_help="Show where a model looks in photos.")
@click.argument("photos", nargs=-1, required=True)
@click.option(
    "--model", "-m", default="bundled", show_default=True, help="torchvision/NAME, timm/NAME, …: heatlens models"
)
@click.option(
    "--method", "-M", multiple=True, default=("grad_cam",), show_default=True, help="Repeatable: heatlens methods"
)
@click.option(
    "--target",
    "-t",
    multiple=True,
    help="Class name, index, wnid, '#2', 'contrast:CLASS', …; repeatable. [default: the prediction]",
)
@click.option("--top", type=click.IntRange(1), metavar="K", help="Explain the K strongest predictions.")
@click.option(
    "--layers", "-l", multiple=True, help="Layer; repeatable, several are fused. [default: the recommended one]"
)
@click.option("--fuse", help="mean, maximum, product or tanh_maximum of several layers. [default: as the method says]")
@click.option("--average", help="flips, noise, path or scales; with settings: noise:samples=16,sigma=0.1")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting of a method: heatlens methods")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option("--out", "-o", default="heatlens-out", show_default=True, metavar="FOLDER")
@click.option(
    "--save",
    default="png",
    show_default=True,
    metavar="KINDS",
    help="png (a picture each), grid (one per photo), npy, json; joined by commas",
)
@click.option("--cmap", help="Colour map of matplotlib. [default: a perceptually uniform one]")
@click.option("--alpha", type=click.FloatRange(0, 1), help="Opacity of the heat.")
@click.option(
    "--contour", type=float, multiple=True, metavar="SHARE", help="Line around what is at least this share of the peak."
)
@click.option("--peak", is_flag=True, help="Mark the highest point.")
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@model_options
def explain(photos: tuple[str, ...], **options: Any) -> int:
    """Show where a model looks in PHOTOS (files, folders, patterns).

    Writes a labelled picture per photo, method and target, and explanations.json.
    """
    from ..images import find_photos

    work = _Work(options)
    work.check()
    found = find_photos(photos)
    try:
        for batch in _batches(work.read(found), work.batch_size(len(found))):
            work.explain(batch)
    finally:
        work.write_records()
    return 1 if work.failed else 0


class _Work:
    """One run of the command: what was asked, what came out."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.quiet: bool = options["quiet"]
        self.out = Path(options["out"]).expanduser()
        self.records: list[dict[str, Any]] = []
        self.failed = 0
        self._names: dict[Path | None, str] = {}
        self._settings = pairs("--set", options["settings"])
        self._kinds = [kind.strip() for kind in options["save"].split(",") if kind.strip()]
        self._targets = [*options["target"], *(f"#{k + 1}" for k in range(options["top"] or 0))] or [None]
        self._look = {key: options[key] for key in ("cmap", "alpha") if options[key] is not None}
        self._look |= {"contour": list(options["contour"])} if options["contour"] else {}
        self._look |= {"peak": True} if options["peak"] else {}

    def check(self) -> None:
        """Everything that can be wrong with the request, before any photo is read."""
        import numpy as np

        from ..images import colourise
        from ..recipe import recipes

        for kind in self._kinds:
            if kind not in _KINDS:
                raise BadValue(f"--save {kind}", f"some of {', '.join(_KINDS)}")
        asked = recipes(*self._recipe())
        if "cmap" in self._look:
            colourise(np.zeros((1, 1)), cmap=self._look["cmap"])
        self._joint = any(recipe.entry.joint for recipe in asked)
        self.subject = self._subject()
        for target in self._targets:
            self.subject.target(target)

    def batch_size(self, photos: int) -> int:
        """All photos at once where a method looks at them together."""
        return photos if self._joint else int(self.options["batch_size"])

    def read(self, paths: list[Path]) -> "Iterator[Photo]":
        """The photos that can be read; the others are reported."""
        from tqdm import tqdm

        from ..images import read_photo, unique_names

        self._names = dict(zip(paths, unique_names(path.stem for path in paths), strict=True))
        with tqdm(paths, unit="photo", delay=1, leave=False, disable=self.quiet or None) as bar:
            for path in bar:
                try:
                    yield read_photo(path)
                except HeatlensError as error:
                    self.report(path, error)

    def explain(self, photos: "list[Photo]") -> None:
        """A batch; if it fails as a whole, photo by photo, so that one cannot spoil the others."""
        from ..ask import explain

        method, settings, layers, fuse, average = self._recipe()
        try:
            found = explain(
                self.subject,
                photos,
                method=method,
                target=self._targets,
                layers=layers,
                fuse=fuse,
                average=average,
                settings=settings,
                batch_size=len(photos),
                precision=self.options["precision"],
            )
        except HeatlensError as error:
            if len(photos) == 1:
                self.report(photos[0].path, error)
                return
            for photo in photos:
                self.explain([photo])
            return
        for photo in photos:
            self.write(photo, [e for e in found if e.photo is photo])

    def write(self, photo: "Photo", explanations: "list[Explanation]") -> None:
        """The files of one photo, and what is said about it."""
        from ..images import unique_names

        stem = self._names[photo.path]
        words = unique_names(f"{stem}-{e.method}-{e.name}" for e in explanations)
        grid = self._grid(stem, photo, explanations) if "grid" in self._kinds else []
        for explanation, name in zip(explanations, words, strict=True):
            files = [
                explanation.save(self.out / f"{name}.{kind}", **self._look_of(kind))
                for kind in self._kinds
                if kind != "grid"
            ]
            self.records.append({**explanation.record(), "files": [str(file) for file in [*files, *grid]]})
        self._say(photo, explanations)

    def write_records(self) -> None:
        from ..images import save_json

        if self.records:
            path = save_json(self.out / "explanations.json", self.records)
            if not self.quiet:
                click.echo(f"{len(self.records)} explanations: {path}")

    def report(self, path: Path | None, error: HeatlensError) -> None:
        self.failed += 1
        click.echo(f"heatlens: {path}: {error}", err=True)

    def _recipe(self) -> tuple[list[str], dict[str, str], list[str] | None, str | None, str | None]:
        options = self.options
        layers = list(options["layers"]) or None
        return list(options["method"]), self._settings, layers, options["fuse"], options["average"]

    def _subject(self) -> "Subject":
        return subject_from(self.options["model"], self.options)

    def _look_of(self, kind: str) -> dict[str, Any]:
        return self._look if kind == "png" else {}

    def _grid(self, stem: str, photo: "Photo", explanations: "list[Explanation]") -> list[Path]:
        from ..images import colour_bar, grid, save_image

        bar = colour_bar(cmap=self._look.get("cmap"), signed=any(e.signed for e in explanations))
        cells = [(e.overlay(side=448, **self._look), *e.label) for e in explanations]
        page = grid([(photo.image(), photo.name, self.subject.name), *cells], bar=bar)
        return [save_image(self.out / f"{stem}.png", page)]

    def _say(self, photo: "Photo", explanations: "list[Explanation]") -> None:
        from tqdm import tqdm

        for warning in dict.fromkeys(w for e in explanations for w in e.warnings):
            tqdm.write(click.style(f"{photo.name}: {warning}", fg="yellow"))
        if self.quiet:
            return
        seen = ", ".join(f"{name} {likely:.1%}" for name, likely in explanations[0].predictions)
        tqdm.write(f"{photo.name}: {seen or 'no class scores'}")
        for record in self.records[-len(explanations) :]:
            where = "({}, {})".format(*record["peak"])
            tqdm.write(
                f"  {record['method']}, {record['target']['name']}: peak at {where}  {' '.join(record['files'])}"
            )


def _batches(photos: "Iterator[Photo]", size: int) -> "Iterator[list[Photo]]":
    batch: list[Photo] = []
    for photo in photos:
        batch.append(photo)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
