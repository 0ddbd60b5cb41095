"""docs/models.md: the table that a walk over the architectures makes.  `make models` writes it; it takes minutes."""

import re
import sys
from collections import Counter
from pathlib import Path

import click

from walk.architectures import CASES
from walk.walking import LIKE, Row, walk

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
HEAD = ("library", "model", "default layer", "map", "evidence", "mirrored", "replay", "parameters", "time")
_INTRODUCTION = """# Models

{count} architectures, as a walk over the libraries found them: each is loaded, asked for its default layer and
explained. `make models` walks again and writes this page; a test walks too, and compares layers and maps' sizes.

The weights are random, given ordinary values where a library begins with zeros or with layer scales of 1e-6: with
those the scores of an untrained network hardly depend on the picture, and its maps are noise of the arithmetic, or
zero. So the table says that a network is *read* rightly. How well maps fall on objects is another question, for
trained weights: [how far a map can be trusted](how-to/trust.md).

- **default layer**: what is looked at when nobody names a layer; of several only the first is named.
- **map**: its places for the small picture that the walk shows; several layers have one map, of the picture's size.
- **evidence**: *gradients*, or *no gradients*: then methods that ask for none work, and others say so. No map of the
  walk is blank: HiResCAM's or, without gradients, Recipro-CAM's has values other than zero for every network. *Nothing
  for*: Grad-CAM's sum is negative at every place, so that its ReLU, as in the paper, leaves nothing; with random
  weights chance decides that.
- **mirrored**: whether the mirrored picture gives the mirrored map. Kernels and position embeddings are made the same
  from left to right and from right to left first, since random ones are not, and sides are such that strides end with
  the picture. *Yes* is a correlation of at least 0.99; else the correlation, and what in the network tells left from
  right. What random weights hardly use (attention that is nearly even) may still tell them apart once it is trained:
  *yes, though*.
- **replay**: how the network behind the layer is run again ([three ways](architecture.md#the-engine)).
- **time**: of Grad-CAM (without gradients, of Recipro-CAM, which shows the tail every place of the map) over that of
  one plain forward pass of one picture, each the fastest of five on a CPU. Small networks and pictures: what heatlens
  itself costs weighs more here than it does at work.

"""


def page(rows: list[Row]) -> str:
    """The whole of docs/models.md."""
    counts = Counter(row.case.library for row in rows)
    told = ", ".join(f"{library} {count}" for library, count in counts.items())
    lines = [HEAD, tuple("---" for _ in HEAD), *map(cells, rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_INTRODUCTION.format(count=len(rows))}{told}.\n\n{table}\n"


def cells(row: Row) -> tuple[str, ...]:
    """One row, as it is written."""
    return (
        row.case.library,
        f"`{row.case.model.partition('/')[2] or row.case.model}`",
        layer_cell(row.layers),
        space_cell(row),
        evidence_cell(row),
        mirrored_cell(row),
        row.way,
        f"{row.parameters / 1e6:.2f} M" if row.parameters else "not told",
        f"{row.ratio:.1f}",
    )


def layer_cell(layers: tuple[str, ...]) -> str:
    """The default layer, and how many more there are."""
    return f"`{layers[0]}`" + (f" and {len(layers) - 1} more" if len(layers) > 1 else "")


def space_cell(row: Row) -> str:
    return "x".join(map(str, row.maps.shape[1:]))


def evidence_cell(row: Row) -> str:
    if not row.gradients:
        return "no gradients"
    return "gradients" if bool(row.first.any()) else "gradients; nothing for"


def mirrored_cell(row: Row) -> str:
    if row.likeness < LIKE:
        return f"{row.likeness:.2f}: {row.case.sided}"
    return f"yes, though {row.case.sided}" if row.case.sided else "yes"


def written() -> dict[tuple[str, str], tuple[str, ...]]:
    """The rows of the page, by library and model."""
    rows = [tuple(line.strip("| ").split(" | ")) for line in PAGE.read_text("utf-8").splitlines() if line[:2] == "| "]
    return {(row[0], row[1].strip("`")): row for row in rows[2:]}


def main(part: str = "") -> int:
    """Walk, and write the page; with a word, walk only to what has it in its name and say what was found."""
    rows = []
    for case in CASES:
        if part not in f"{case.library} {case.model}":
            continue
        row = walk(case, timed=True)
        click.echo("  ".join(cells(row)))
        rows.append(row)
    if not part:
        PAGE.write_text(re.sub(r" +$", "", page(rows), flags=re.MULTILINE), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
