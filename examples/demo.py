"""Two photos explained offline by the model that ships with heatlens: `make demo`, or `python examples/demo.py`.

Writes one labelled page per photo into `demo-out/` (another folder: `python examples/demo.py FOLDER`).
"""

import sys
from pathlib import Path
from time import perf_counter

import click

import heatlens
from heatlens.images import Photo, colour_bar, grid, save_image
from heatlens.words.errors import HeatlensError
from heatlens.words.optional import require

METHODS = ["grad_cam", "layer_cam", "grad_cam_pp", "eigen_cam", "ablation_cam", "recipro_cam", "integrated_grad_cam"]


def photos() -> list[Photo]:
    """Chelsea the cat and a cup of coffee, from scikit-image."""
    data = require("skimage.data")
    return [Photo(data.chelsea(), "chelsea"), Photo(data.coffee(), "coffee")]


def page(explanations: list[heatlens.Explanation], folder: Path) -> Path:
    """The photo and every map of it on one page."""
    photo = explanations[0].photo
    said = ", ".join(f"{name} {likely:.0%}" for name, likely in explanations[0].predictions[:3])
    cells = [(photo.image(), photo.name, said)]
    cells += [(e.overlay(side=448, peak=True), *e.label) for e in explanations]
    return save_image(folder / f"{photo.name}.png", grid(cells, columns=4, bar=colour_bar()))


def main(folder: str = "demo-out") -> int:
    start = perf_counter()
    try:
        subject = heatlens.load("bundled")
        found = heatlens.explain(subject, photos(), method=METHODS)
        for first in range(0, len(found), len(METHODS)):
            of_photo = found[first : first + len(METHODS)]
            click.echo(f"{of_photo[0].photo.name} is, says the bundled model:")
            for name, likely in of_photo[0].predictions[:3]:
                click.echo(f"  {likely:6.1%}  {name}")
            click.echo(f"  {len(METHODS)} maps in {page(of_photo, Path(folder))}")
    except HeatlensError as error:
        click.echo(f"The demo cannot run. {error}", err=True)
        return 1
    click.echo(f"done in {perf_counter() - start:.1f} s; next: heatlens explain YOUR-PHOTO.jpg")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
