"""How many groups the channels of a layer make: the spread of k-means over the number of groups, and its elbow."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from ..images import Photo, read_photo, write_bytes
from ..methods.composing import compose
from ..methods.shared.clusters import FEWEST
from ..methods.shared.clusters import elbow as found_at
from ..models import Named, Subject, subject_of
from ..words.errors import BadValue
from ..words.wording import MARK
from .attribute import attribute


@dataclass(frozen=True)
class Elbow:
    """The spread within groups of channels, for every number of groups."""

    photo: Photo
    counts: tuple[int, ...]
    """Numbers of groups."""
    inertias: tuple[float, ...]
    """k-means' spread: the sum of squared distances to the groups' means."""
    groups: int
    """Where the spread is farthest below its chord: what groups=0 takes."""

    def save(self, path: str | Path, *, overwrite: bool = True) -> Path:
        """Write the plot as a PNG, PDF or SVG."""
        form = Path(path).suffix.removeprefix(".").lower()
        if form not in ("png", "pdf", "svg"):
            raise BadValue(f"a plot named {str(path)!r}", "an ending of .png, .pdf or .svg")
        memory = io.BytesIO()
        self._drawn().savefig(memory, format=form, dpi=120, metadata={"Software": MARK} if form == "png" else None)
        return write_bytes(path, memory.getvalue(), overwrite=overwrite)

    def _drawn(self) -> Figure:
        figure = Figure(figsize=(6, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.plot(self.counts, self.inertias, marker="o")
        axes.axvline(self.groups, linestyle="--", color="0.5")
        axes.set(title=f"{self.photo.name}: {self.groups} groups", xlabel="groups", ylabel="inertia of k-means")
        axes.set_xticks(self.counts)
        return figure


def elbow(
    model: str | nn.Module | Subject,
    photo: Any,
    *,
    target: Any = None,
    layers: Named | None = None,
    cosine: bool = False,
    seed: int = 0,
    **parts: Any,
) -> Elbow:
    """How many groups of channels `groups=0` finds for a photo, and the spread that it finds them by.

    parts: of `heatlens.compose` that weigh the channels, such as weight="gradient"; none: the activations themselves.
    """
    subject, shown = subject_of(model), read_photo(photo)
    composed = compose(group="k-means", score="eigen", cosine=cosine, seed=seed, **parts)
    images, _ = subject.prepare(shown)
    spread: Any = composed.spread  # type: ignore[attr-defined]
    found = attribute(subject, images, method=spread, target=target, layers=layers, upsample=False)
    inertias = [float(one) for one in found.squeeze(0).tolist()]
    counts = tuple(range(FEWEST, FEWEST + len(inertias)))
    return Elbow(shown, counts, tuple(inertias), found_at(inertias))
