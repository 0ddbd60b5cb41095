"""The two numbers that `heatlens locate` goes by: above which share of a map's maximum, and above which probability.

    python -m benchmarks.found

On the photos with boxes: ILSVRC's validation photos and the demo photos, of the classes that a network knows.  A box
is right that has an IoU of at least 0.5 with a true one of its class.  Absent are twenty other classes, drawn for each
photo.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

import heatlens
from heatlens.evaluate import open_dataset
from heatlens.evaluate.datasets.dataset import class_index
from heatlens.images.regions import overlap
from heatlens.localize import LEAST_PROBABLE, USUAL

from .networks import data_folder, networks

SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
PROBABILITIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
METHODS = ("grad_cam", "layer_cam")
_ABSENT = 20
_WHOLE = 0.98
"""A box that covers this much of its photo covers all of it."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One photo asked about a class that is in it."""

    probability: float
    absent: NDArray[np.float32]
    """(20,): the probabilities of classes that are not."""
    ious: NDArray[np.float64]
    """(methods, shares): of the box with the best true one, 0 where there is no box."""
    areas: NDArray[np.float64]
    """(methods, shares): of the box, as a share of the photo."""


def subjects() -> dict[str, heatlens.Subject]:
    """The model that ships, and MobileNetV2."""
    (mobile,) = networks(("mobilenetv2_100",))
    return {"bundled": heatlens.load("bundled"), mobile.name: mobile.load("cpu")}


def asked(subject: heatlens.Subject, data: Path, every: int = 1) -> Iterator[Asked]:
    """Every photo with boxes, or every N-th, asked about each of its classes that the model knows."""
    draw = np.random.default_rng(0)
    items = [item for item in open_dataset(f"csv:{data / 'images' / 'labels.csv'}").items if item.boxes]
    known = [(item, c) for item in items if (c := _class(item.labels, subject)) is not None]
    there: dict[Path, set[int]] = {}
    for item, index in known:
        there.setdefault(item.photo, set()).add(index)
    for item, index in known[::every]:
        found = heatlens.explain(subject, item.photo, method=list(METHODS), target=index)
        likely = _probabilities(subject, found[0])
        others = [c for c in range(len(likely)) if c not in there[item.photo]]
        boxes = [[e.boxes(threshold=share)[:1] for share in SHARES] for e in found]
        size = found[0].photo.width * found[0].photo.height
        true = np.array(item.boxes, float)
        yield Asked(
            found[0].probability or 0.0,
            likely[draw.choice(others, _ABSENT, replace=False)],
            np.array([[_iou(box, true) for box in row] for row in boxes]),
            np.array([[_area(box) / size for box in row] for row in boxes]),
        )


def _class(labels: Sequence[str | int], subject: heatlens.Subject) -> int | None:
    try:
        return class_index(labels, subject.classes)
    except heatlens.HeatlensError:
        return None


def _probabilities(subject: heatlens.Subject, e: heatlens.Explanation) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = subject.model(subject.prepare(e.photo)[0]).softmax(1)[0].numpy()
    return found


def _iou(boxes: Sequence[Sequence[float]], true: NDArray[np.float64]) -> float:
    return float(overlap(np.array(boxes, float), true).max()) if boxes else 0.0


def _area(boxes: Sequence[Sequence[float]]) -> float:
    return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)


def right(found: Sequence[Asked], method: int = 0) -> dict[float, float]:
    """By share: how many boxes are right."""
    hits = np.array([one.ious[method] for one in found]) >= 0.5
    return dict(zip(SHARES, hits.mean(0).tolist(), strict=True))


def whole(found: Sequence[Asked], method: int = 0) -> dict[float, float]:
    """By share: how many boxes are the whole photo."""
    covered = np.array([one.areas[method] for one in found]) >= _WHOLE
    return dict(zip(SHARES, covered.mean(0).tolist(), strict=True))


def told(found: Sequence[Asked]) -> dict[float, tuple[float, float]]:
    """By probability: how many classes that are there are found, and how many that are not."""
    there, absent = np.array([one.probability for one in found]), np.concatenate([one.absent for one in found])
    return {p: (float((there >= p).mean()), float((absent >= p).mean())) for p in PROBABILITIES}


@click.command()
@click.option("--every", default=1, show_default=True, help="Only every N-th photo.")
def main(every: int) -> None:
    """Print both tables as docs/how-to/locate.md has them."""
    rows = {name: list(asked(subject, data_folder(), every)) for name, subject in subjects().items()}
    click.echo("| network | method | " + " | ".join(f"{share:g}" for share in SHARES) + " |")
    for name, found in rows.items():
        for m, method in enumerate(METHODS):
            cells = [f"{right(found, m)[s]:.2f}, {whole(found, m)[s]:.2f}" for s in SHARES]
            click.echo(f"| {name} ({len(found)}) | `{method}` | " + " | ".join(cells) + " |")
    click.echo("\n| network | " + " | ".join(f"{p:g}" for p in PROBABILITIES) + " |")
    for name, found in rows.items():
        click.echo(f"| {name} | " + " | ".join(f"{a:.3f}, {b:.3f}" for a, b in told(found).values()) + " |")
    click.echo(f"\nin use: {USUAL} of the maximum, a probability of {LEAST_PROBABLE}")


if __name__ == "__main__":
    main()
