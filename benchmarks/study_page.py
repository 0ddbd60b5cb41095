"""docs/benchmark.md, from the studies that have run."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from heatlens.evaluate import Summary, as_markdown, summarise
from heatlens.recipes.shipped import RECIPES

from . import costs
from .studies import Study, hard_names


def written(asked: Sequence[Study], out: Path, data: Path) -> str:
    """The page: each study on all its photos, and the places on the hard ones."""
    done = [one for one in asked if any((out / one.name).rglob("*.parquet"))]
    parts = [_INTRO.format(costs=_recipe_costs()), _GLANCE.format(best=_best_methods(done, out, hard_names(data)))]
    for study in done:
        parts.append(f"## {study.title}\n\n{_tables(_summaries(study, out))}")
        hard = study.photos & hard_names(data)
        if study.name == "recipes":
            easy = study.photos - hard_names(data)
            parts.append(f"## {study.title}: those that are not hard\n\n{_tables(_summaries(study, out, easy))}")
        if study.name in ("recipes", "carried", "places", "places-others", "places-slow") and hard:
            parts.append(f"## {study.title}: the hard photos\n\n{_tables(_summaries(study, out, hard))}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summaries(study: Study, out: Path, photos: set[str] | None = None) -> list[Summary]:
    folders = [out / study.name / network for network in study.requests]
    some = frozenset(photos) if photos is not None else None
    return [one for folder in folders if any(folder.rglob("*.parquet")) for one in _summarised(folder, some)]


@cache
def _summarised(folder: Path, photos: frozenset[str] | None) -> list[Summary]:
    """Kept, since what is best is said before the tables."""
    return summarise(folder, photos=photos)


def _best_methods(done: Sequence[Study], out: Path, hard: set[str]) -> str:
    """Network by network, the best few methods of few passes, on all photos and on the hard ones."""
    lines = [["network", "photos", *_GLANCED], ["---"] * (2 + len(_GLANCED))]
    for study in [one for one in done if one.name in ("places", "places-others")]:
        for photos in (None, study.photos & hard):
            summaries = _summaries(study, out, photos)
            for network in dict.fromkeys(one.model for one in summaries):
                own = [one for one in summaries if one.model == network]
                looked_at = max(one.photos for one in own)
                lines.append(
                    [network, f"{looked_at}{'' if photos is None else ' hard'}", *(_few(own, m) for m in _GLANCED)]
                )
    return _markdown(lines)


def _few(summaries: list[Summary], metric: str) -> str:
    found = [one for one in summaries if one.metric == metric and one.photos and one.recipe != "centre"]
    found.sort(key=lambda one: -one.value)
    return ", ".join(f"`{one.recipe}` {one.value:.3f}" for one in found[:_MANY])


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _tables(summaries: list[Summary]) -> str:
    """Methods that do not work on a network are left out of its table."""
    works = {(one.model, one.recipe) for one in summaries if one.photos}
    return as_markdown([one for one in summaries if (one.model, one.recipe) in works])


def _recipe_costs() -> str:
    """Passes by name, and times by network beside Grad-CAM's, as far as they were measured."""
    known = {
        network: found["methods"]
        for network, found in costs.kept().items()
        if RECIPES.keys() <= found["methods"].keys()
    }
    lines = [["recipe", "passes", *(f"{network}, x Grad-CAM" for network in known)]]
    lines.append(["---"] * len(lines[0]))
    for name, recipe in RECIPES.items():
        lines.append([f"`{name}`", recipe.cost, *(f"{took[name] / took['grad_cam']:.1f}" for took in known.values())])
    return _markdown(lines)


_GLANCED = ("pointing_game:tolerance=0.0", "max_box_acc_v2", "energy_in_box")
_MANY = 4

_GLANCE = """## The best of the methods

Of those of few passes, by themselves, on all photos that were looked at and on the hard ones; what is a few hundredths
apart is not told apart by so few photos (the intervals are in the tables below).

{best}
"""

_INTRO = """# Benchmark

Made by `python -m benchmarks.localisation`: every method with its own settings at the layer that heatlens recommends,
on trained networks and ImageNet photos squashed to the model's input. Places are those of the true class, whatever the
network predicts (GT-known); faithfulness is that of the prediction. Each number has its 95 % interval, by resampling
photos; the best of a column is bold. `centre` is a blob in the middle of the photo. The pointing game has a margin of
15 pixels unless it says `tolerance=0`.

The column *photos* says how many were looked at: all 650, or a part of them. Hard photos are
those on which most networks are right, the boxes cover at most a third of the photo and its middle lies outside
them. Methods that ask the whole network hundreds of times for one photo are measured on few photos with one network,
`squeezenet1_1`, since it has the fewest channels; those that ask it thousands of times on four hard photos at most,
which says little more than that they work. A study that is not here has not been run. `insertion` and `deletion` change
3584 pixels at a time. Two of the networks were recovered from 8-bit weights. A method that a network cannot give (no
linear head, no attention) is not listed for it.

## Recipes

`heatlens explain --recipe NAME` asks several methods and puts their maps together ([what each is made
of](methods.md#recipes)). They were chosen by `python -m benchmarks.search` with `mobilenetv2_100` on photos among every
second one in sorted order (21 of the 38 hard ones are among these): the combination that does best within a number of
passes, by pointing and MaxBoxAccV2 on photos whose middle is inside a box and on those whose middle is not. Those with
`full_grad` were left out (`--without full_grad`): of networks of tokens it sees little. What they cost, for one photo
on one core:

{costs}
"""
