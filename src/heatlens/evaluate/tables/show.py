"""A table for people: as text, as Markdown, as CSV, and the curves behind it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from itertools import cycle
from math import isnan
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...engine.forward.batching import Progress
from ...images.writing.file_names import safe_name
from ...images.writing.write import write_bytes
from ...metrics.criterion import find_criterion
from ...words.metric import Line
from ...words.wording import MARK
from .table import ALL, Summary, best, groups

_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
_DASHES = ("-", "--", ":")
"""Of the curves of one recipe.  Colours are the recipes'; after ten they begin again."""


def as_csv(summaries: Iterable[Summary]) -> str:
    """A row per model, recipe and metric; numbers in full."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(Summary)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in summaries)
    return out.getvalue()


def as_markdown(summaries: Sequence[Summary]) -> str:
    """A table per model: a row per recipe, a column per metric, the best in bold."""
    parts = []
    for title, cells in _tables(summaries, "**{}**"):
        head, *rows = cells
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
        parts.append("\n".join([f"### {title}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def as_text(summaries: Sequence[Summary]) -> str:
    """The same for a terminal; the best with a star."""
    parts = []
    for title, cells in _tables(summaries, "{}*"):
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        parts.append("\n".join([title, *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts)


def _tables(summaries: Sequence[Summary], marked: str) -> list[tuple[str, list[list[str]]]]:
    """A title and the cells, for every model and class."""
    winners = best(list(summaries))
    kinds = {(one.model, one.about): one.class_name for one in summaries}
    return [
        (_title(model, about, class_name),
         _cells([s for s in summaries if (s.model, s.about) == (model, about)], winners, marked))
        for (model, about), class_name in kinds.items()
    ]  # fmt: skip


def _title(model: str, about: int | str, class_name: str) -> str:
    if about == ALL:
        return model
    kind = f"class {about}" if isinstance(about, int) else about
    return f"{model}, {kind} ({class_name})" if class_name else f"{model}, {kind}"


def _cells(summaries: Sequence[Summary], winners: set[Summary], marked: str) -> list[list[str]]:
    metrics = dict.fromkeys((one.metric, one.better) for one in summaries)
    by = {(one.recipe, one.metric): one for one in summaries}
    head = ["recipe", *(f"{metric} {_ARROWS[better]}".strip() for metric, better in metrics), "photos", "errors"]
    rows = [head]
    for recipe in dict.fromkeys(one.recipe for one in summaries):
        own = [by[recipe, metric] for metric, _ in metrics]
        shown = [marked.format(_cell(one)) if one in winners else _cell(one) for one in own]
        rows.append([recipe, *shown, str(max(one.photos for one in own)), str(max(one.errors for one in own))])
    return rows


def _cell(one: Summary) -> str:
    if isnan(one.value):
        return "–"
    return f"{one.value:.3f}" if isnan(one.low) else f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def write_curves(folder: Path, out: Path, progress: Progress | None = None, *, overwrite: bool = False) -> list[Path]:
    """What the rows of all photos say together: a picture for each model and metric that gives rows, one CSV of all.

    A file that is there and holds something else stays, unless `overwrite`: `FileThere`.
    """
    drawn: dict[tuple[str, str], dict[str, list[Line]]] = {}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("model", "recipe", "metric", "curve", "at", "value", "photos"))
    for group in groups(folder, progress=progress):
        if group.values.ndim != 2 or not len(known := group.known):
            continue
        lines = find_criterion(group.metric).metric.lines(known)
        drawn.setdefault((group.model, group.metric), {})[group.recipe] = lines
        for name, at, height in lines:
            same = (group.model, group.recipe, group.metric, name)
            points = zip(at, height, strict=True)
            writer.writerows((*same, f"{x:.6g}", f"{y:.9g}", len(known)) for x, y in points)
    if not drawn:
        return []
    table = write_bytes(out / "curves.csv", text.getvalue().encode(), overwrite=overwrite)
    return [table, *(write_bytes(out / f"{safe_name(f'{m}-{metric}')}.png", _drawn(m, metric, own), overwrite=overwrite)
                     for (m, metric), own in drawn.items())]  # fmt: skip


def _drawn(model: str, metric: str, curves: dict[str, list[Line]]) -> bytes:
    """The lines of every recipe, as a PNG."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for k, (recipe, lines) in enumerate(curves.items()):
        for (name, at, height), dash in zip(lines, cycle(_DASHES)):
            axes.plot(at, height, color=f"C{k}", linestyle=dash, label=f"{recipe} {name}".rstrip())
    axes.set(title=model, xlabel=find_criterion(metric).metric.axis, ylabel=metric)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=120, metadata={"Software": MARK})
    return memory.getvalue()
