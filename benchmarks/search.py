"""The search that chose the recipes that ship (`heatlens.recipes.shipped.RECIPES`).

    python -m benchmarks.search

looks with one network at photos among every second one of `ilsvrc_val`: all whose middle lies outside the boxes, and
every third of the others.  Every candidate part looks at every size, and into the mirror; those maps are kept in
`--out`, and what was ended carries on.  Then parts are put together, best first: what is added to a recipe is the part
and fusion that raise the score most, and at last weights are doubled and halved.  Views average linearly, so every
combination comes from the kept maps without another look.

The score is pointing (no margin) + MaxBoxAccV2 on the photos whose middle is inside the boxes, plus the same on those
whose middle is not: what the middle of a photo gives is no merit of a map.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch
from torch.nn.functional import avg_pool2d
from tqdm import tqdm

from heatlens.metrics.contents import max_box_acc_v2, pointing_game
from heatlens.metrics.criterion import find_criterion
from heatlens.recipes.averages import Scales
from heatlens.recipes.fusion import find_fusion
from heatlens.words.notation import unit_scale

from .part_maps import PARTS, SIZES, Bank, chosen_photos, look_at_all

FUSIONS = ("geometric", "mean")
MOST = 4
"""Parts of a recipe."""
BEAM = 4
"""Recipes of each number of parts that are given one more."""
WEIGHINGS = 2
SHOWN = 12

BUDGETS = {
    1: [Scales((1.0,), False)],
    7: [Scales((1.0, 2.0), False), Scales((1.0, 1.5), True)],
    27: [Scales((1.0, 1.5, 2.0), True), Scales(SIZES, True)],
}
"""Passes that a recipe may cost -> the views that are tried."""


@dataclass(frozen=True)
class Trial:
    """A recipe in the making."""

    views: Scales
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


def score(bank: Bank, trial: Trial) -> Score:
    """How well a trial does on the bank's photos."""
    parts = [unit_scale(bank.part(name, trial.views)) for name, _ in trial.parts]
    weights = "+".join(f"{weight:g}" for _, weight in trial.parts)
    maps = find_fusion(f"{trial.fusion}:weights={weights}")(parts) if len(parts) > 1 else parts[0]
    unknown = torch.full(maps.shape, 255, dtype=torch.uint8)
    points = pointing_game(maps, bank.boxes, unknown, tolerance=0.0).double()
    levels = max_box_acc_v2(avg_pool2d(maps.clamp(min=0), 2), [boxes / 2 for boxes in bank.boxes]).double()
    v2, groups = find_criterion("max_box_acc_v2").metric.summary, (~bank.off, bank.off)
    return Score(*(value for group in groups for value in (float(points[group].mean()), v2(levels[group].numpy()))))


def search(bank: Bank, views: Scales) -> dict[Trial, Score]:
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
@click.option("--without", multiple=True, help="Leave recipes with this part out of the list; repeatable.")
@click.option("--workers", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("search-out"), show_default=True)
def main(network: str, budget: tuple[str, ...], without: tuple[str, ...], workers: int, out: Path) -> None:
    """Choose recipes on every second photo, and print the best ones for every budget of passes."""
    bank = look_at_all(out / network, network, chosen_photos(), workers)
    torch.set_num_threads(1)
    for most in [int(b) for b in budget] or BUDGETS:
        tried = {trial: found for views in BUDGETS[most] for trial, found in search(bank, views).items()}
        click.echo(f"\nat most {most} passes, {len(tried)} tried")
        listed = [trial for trial in tried if not set(without) & {name for name, _ in trial.parts}]
        for trial in sorted(listed, key=lambda trial: -tried[trial].total)[:SHOWN]:
            click.echo(f"{tried[trial]}   {trial}")


if __name__ == "__main__":
    main()
