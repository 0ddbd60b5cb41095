"""The search that chose the recipes that ship (`heatlens.recipe.RECIPES`).

    python -m benchmarks.search

looks with one network at photos among every second one of `ilsvrc_val`: all whose middle lies outside the boxes, and
every third of the others.  Every candidate part looks at every size, and into the mirror; those maps are kept in
`--out`, and what was ended carries on.  Then parts are put together, best first: what is added to a recipe is the part
and fusion that raise the score most, and at last weights are doubled and halved.  Views average linearly, so every
combination comes from the kept maps without another look.

The score is pointing (no margin) + MaxBoxAccV2 on the photos whose middle is inside the boxes, plus the same on those
whose middle is not: what the middle of a photo gives is no merit of a map.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d
from tqdm import tqdm

import heatlens
from heatlens import Recipe, Subject
from heatlens.evaluate import Item, Selection, open_dataset
from heatlens.fusion import find_fusion
from heatlens.images import read_photo
from heatlens.metrics import max_box_acc_v2, pointing_game
from heatlens.notation import unit_scale

from .networks import data_folder, networks

SIDE = 112
"""Of the maps that are kept; boxes are measured at half of it."""
SIZES = (1.0, 1.5, 2.0, 2.5)
PARTS = {
    f"{method}@{stage}{'~' * contrast}": Recipe(method, layers=(f"stage:{stage}",), contrast=contrast)
    for (method, stage), contrast in product(
        (
            ("grad_cam", -1),
            ("layer_cam", -1),
            ("eigen_grad_cam", -1),
            ("layer_cam", -2),
            ("hires_cam", -2),
            ("layer_cam", -3),
            ("hires_cam", -3),
            ("layer_cam", -4),
        ),
        (False, True),
    )
} | {"full_grad": Recipe("full_grad")}
"""Candidates; ~ marks those that explain a class against those that are like it."""
FUSIONS = ("geometric", "mean")
MOST = 4
"""Parts of a recipe."""
BEAM = 4
"""Recipes of each number of parts that are given one more."""
WEIGHINGS = 2
SHOWN = 12
OTHERS = 3
"""Of the photos whose middle is inside a box every so many are looked at."""


@dataclass(frozen=True)
class Views:
    """Which versions of a photo a recipe looks at."""

    sizes: tuple[float, ...]
    mirrored: bool

    @property
    def passes(self) -> float:
        """Forward and backward passes at the usual size that cost as much."""
        return sum(size**2 for size in self.sizes) * (1 + self.mirrored)

    def __str__(self) -> str:
        return f"scales:factors={'+'.join(f'{size:g}' for size in self.sizes)},mirrored={str(self.mirrored).lower()}"


BUDGETS = {
    1: [Views((1.0,), False)],
    7: [Views((1.0, 2.0), False), Views((1.0, 1.5), True)],
    27: [Views((1.0, 1.5, 2.0), True), Views(SIZES, True)],
}
"""Passes that a recipe may cost -> the views that are tried."""


@dataclass(frozen=True)
class Trial:
    """A recipe in the making."""

    views: Views
    fusion: str = "geometric"
    parts: tuple[tuple[str, float], ...] = ()

    def grown(self) -> Iterator["Trial"]:
        """With every part that it lacks; a first part needs no fusion."""
        taken = {name for name, _ in self.parts}
        for name in [name for name in PARTS if name not in taken]:
            for fusion in FUSIONS if len(self.parts) == 1 else (self.fusion,):
                yield replace(self, fusion=fusion, parts=(*self.parts, (name, 1.0)))

    def reweighted(self) -> Iterator["Trial"]:
        """With one weight doubled or halved."""
        for at, (name, weight) in enumerate(self.parts):
            for changed in (2 * weight, weight / 2):
                yield replace(self, parts=(*self.parts[:at], (name, changed), *self.parts[at + 1 :]))

    def __str__(self) -> str:
        return f"{self.fusion}({', '.join(f'{weight:g} {name}' for name, weight in self.parts)}) {self.views}"


@dataclass(frozen=True)
class Score:
    """Of a trial on the photos that recipes are chosen on."""

    pointing: float
    boxes: float
    pointing_off: float
    """On the photos whose middle is not inside a box; the others above."""
    boxes_off: float

    @property
    def total(self) -> float:
        return self.pointing + self.boxes + self.pointing_off + self.boxes_off

    def __str__(self) -> str:
        return (
            f"{self.total:.3f}: pointing {self.pointing:.3f}, V2 {self.boxes:.3f}; "
            f"off the middle {self.pointing_off:.3f}, {self.boxes_off:.3f}"
        )


@dataclass(frozen=True, eq=False)
class Bank:
    """The maps of all photos, and where things are."""

    maps: np.ndarray[Any, Any]
    """(photos, parts, sizes, 2, SIDE, SIDE) of 16 bits: each view's map by its largest magnitude; mirrored last."""
    boxes: list[Tensor]
    """In pixels of the kept maps."""
    off: Tensor
    """Whether the middle of each photo lies outside them."""

    def part(self, name: str, views: Views) -> Tensor:
        """(photos, SIDE, SIDE): the mean over the views."""
        sizes = [SIZES.index(size) for size in views.sizes]
        chosen = self.maps[:, list(PARTS).index(name), sizes][:, :, : 1 + views.mirrored]
        return torch.from_numpy(chosen.astype(np.float32).mean((1, 2)))


def look(subject: Subject, item: Item) -> np.ndarray[Any, Any]:
    """(parts, sizes, 2, SIDE, SIDE): the photo and its mirror image as one batch, all parts from the same passes."""
    image, _ = subject.prepare(read_photo(item.photo))
    label = item.truth(subject.classes, needs_label=True).label
    asked = [
        Recipe(f"{name} {size:g}", parts=(replace(part, average=f"scales:factors={size:g}"),), fuse="mean")
        for name, part in PARTS.items()
        for size in SIZES
    ]
    found = heatlens.attribute(subject, torch.cat([image, image.flip(-1)]), method=asked, target=label)
    maps = torch.stack([found[recipe.method] for recipe in asked])
    maps = torch.stack([maps[:, 0], maps[:, 1].flip(-1)], 1)
    small = adaptive_avg_pool2d(maps, SIDE)
    return small.reshape(len(PARTS), len(SIZES), 2, SIDE, SIDE).to(torch.float16).numpy()


def look_at_all(out: Path, network: str, items: Sequence[Item], workers: int) -> Bank:
    """Look at those that are not kept yet."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "parts.json").write_text(json.dumps({"parts": list(PARTS), "sizes": SIZES, "side": SIDE}) + "\n", "utf-8")
    left = [item for item in items if not _kept(out, item).exists()]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(network,)) as pool:
        done = pool.map(partial(_look_and_keep, out), left)
        for _ in tqdm(done, total=len(left), unit="photo", desc="looking"):
            pass
    maps = np.stack([np.load(_kept(out, item)) for item in items])
    return Bank(maps, [_boxes(item) for item in items], torch.tensor([not in_the_middle(item) for item in items]))


_HELD: list[Subject] = []
"""The network of this process."""


def _begin(network: str) -> None:
    torch.set_num_threads(1)
    _HELD.append(networks((network,))[0].load("cpu"))


def _look_and_keep(out: Path, item: Item) -> None:
    path = _kept(out, item)
    begun = path.with_suffix(".part")
    with begun.open("wb") as file:
        np.save(file, look(_HELD[0], item))
    begun.replace(path)


def _kept(out: Path, item: Item) -> Path:
    return out / f"{Path(item.name).stem}.npy"


def chosen_photos() -> list[Item]:
    """The photos that recipes are chosen on."""
    labels = open_dataset(f"csv:{data_folder() / 'images' / 'labels.csv'}")
    items = Selection(match="ilsvrc_val/*", every=2).of(labels).items
    others = [item for item in items if in_the_middle(item)]
    return [item for item in items if not in_the_middle(item) or item in others[::OTHERS]]


def in_the_middle(item: Item) -> bool:
    """Whether the middle of the photo lies in a box."""
    photo = read_photo(item.photo)
    x, y = photo.width / 2, photo.height / 2
    return any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in item.boxes)


def _boxes(item: Item) -> Tensor:
    photo = read_photo(item.photo)
    scale = torch.tensor([SIDE / photo.width, SIDE / photo.height] * 2)
    return torch.tensor(item.boxes, dtype=torch.float32) * scale


def score(bank: Bank, trial: Trial) -> Score:
    """How well a trial does on the bank's photos."""
    parts = [unit_scale(bank.part(name, trial.views)) for name, _ in trial.parts]
    weights = "+".join(f"{weight:g}" for _, weight in trial.parts)
    maps = find_fusion(f"{trial.fusion}:weights={weights}")(parts) if len(parts) > 1 else parts[0]
    unknown = torch.full(maps.shape, 255, dtype=torch.uint8)
    points = pointing_game(maps, bank.boxes, unknown, tolerance=0.0).double()
    levels = max_box_acc_v2(avg_pool2d(maps.clamp(min=0), 2), [boxes / 2 for boxes in bank.boxes]).double()
    groups = ~bank.off, bank.off
    return Score(*(value for group in groups for value in (float(points[group].mean()), _v2(levels[group]))))


def _v2(hits: Tensor) -> float:
    return float(hits.mean(0).reshape(3, -1).amax(1).mean())


def search(bank: Bank, views: Views) -> dict[Trial, Score]:
    """All that was tried; of each number of parts the best few grow, at last the best ones are weighted anew."""
    tried: dict[Trial, Score] = {}

    def best_of(trials: Iterable[Trial]) -> list[Trial]:
        new = [trial for trial in dict.fromkeys(trials) if trial not in tried]
        for trial in tqdm(new, unit="trial", desc=str(views), leave=False):
            tried[trial] = score(bank, trial)
        return sorted(new, key=lambda trial: -tried[trial].total)[:BEAM]

    best = [Trial(views)]
    for _ in range(MOST):
        best = best_of(trial for parent in best for trial in parent.grown())
    for _ in range(WEIGHINGS):
        leading = sorted(tried, key=lambda trial: -tried[trial].total)[:BEAM]
        best_of(trial for parent in leading if len(parent.parts) > 1 for trial in parent.reweighted())
    return tried


@click.command()
@click.option("--network", default="mobilenetv2_100", show_default=True)
@click.option("--budget", multiple=True, type=click.Choice([str(b) for b in BUDGETS]), help="Passes; default: all.")
@click.option("--workers", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("search-out"), show_default=True)
def main(network: str, budget: tuple[str, ...], workers: int, out: Path) -> None:
    """Choose recipes on every second photo, and print the best ones for every budget of passes."""
    bank = look_at_all(out / network, network, chosen_photos(), workers)
    torch.set_num_threads(1)
    for most in [int(b) for b in budget] or BUDGETS:
        tried = {trial: found for views in BUDGETS[most] for trial, found in search(bank, views).items()}
        click.echo(f"\nat most {most} passes, {len(tried)} tried")
        for trial in sorted(tried, key=lambda trial: -tried[trial].total)[:SHOWN]:
            click.echo(f"{tried[trial]}   {trial}")


if __name__ == "__main__":
    main()
