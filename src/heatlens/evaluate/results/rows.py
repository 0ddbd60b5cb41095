"""The rows of an evaluation, in Parquet: one per photo, model, recipe and metric."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...engine.forward.batching import Progress
from ...images.writing.write import write_bytes
from ...words.errors import BadValue
from ...words.optional import require
from .checksum import check_seal, sealed

PARTS = "parts"
"""The folder of the parts, inside that of the evaluation."""


@dataclass(frozen=True)
class Row:
    """One measured value, or why there is none."""

    photo: str
    model: str
    recipe: str
    metric: str
    value: float | None = None
    """NaN where the metric is not defined for the photo."""
    values: list[float] | None = None
    """Of a metric that gives a row of numbers."""
    label: int | None = None
    """The true class, by the index of the model's outputs."""
    class_name: str | None = None
    """What the model calls it, if it has names."""
    error: str | None = None
    seconds: float = 0.0
    """The photo's share of the time that its batch took, over all recipes and metrics that were measured together."""


def schema() -> Any:
    """The columns in Arrow's types."""
    arrow = require("pyarrow")
    return arrow.schema(
        [
            *((name, arrow.string()) for name in ("photo", "model", "recipe", "metric")),
            ("value", arrow.float64()),
            ("values", arrow.list_(arrow.float64())),
            ("label", arrow.int32()),
            ("class_name", arrow.string()),
            ("error", arrow.string()),
            ("seconds", arrow.float32()),
        ]
    )


def write_part(path: Path, rows: Iterable[Row]) -> None:
    """Write a part that is whole or not there, whenever the program is ended."""
    arrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    table = arrow.Table.from_pylist([asdict(row) for row in rows], schema=schema())
    sink = arrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_bytes(path, sealed(sink.getvalue().to_pybytes()))


def parts_of(folder: Path) -> list[Path]:
    """The parts that are finished, in order."""
    return sorted((folder / PARTS).glob("[0-9]*.parquet"))


def read_rows(folder: Path, columns: list[str] | None = None) -> Any:
    """All rows so far as one Arrow table, by model, photo, recipe and metric as they were asked; raises BadValue."""
    return require("pyarrow").concat_tables(each_table(results_of(folder), columns))


def results_of(folder: Path) -> list[Path]:
    """As `parts_of`; raises BadValue where there are none."""
    parts = parts_of(folder)
    if not parts:
        raise BadValue(f"there are no results in {folder}", "a folder that heatlens evaluate wrote")
    return parts


def each_table(parts: Iterable[Path], columns: list[str] | None = None) -> Iterator[Any]:
    """The rows part by part, since those of a large run do not fit into memory; raises BadValue."""
    parquet, arrow = require("pyarrow.parquet"), require("pyarrow")
    for part in parts:
        try:
            check_seal(part)
            yield parquet.read_table(part, schema=schema(), columns=columns, page_checksum_verification=True)
        except (OSError, ValueError, arrow.ArrowException) as error:
            said = str(error).partition("\n")[0]
            raise BadValue(
                f"{part} is damaged or something else: {said}",
                "parts that heatlens evaluate wrote",
                "the command that wrote it does it again",
            ) from None


def photos_of(part: Path) -> set[str] | None:
    """The photos of a part, or None where it is damaged: all of it is compared with its checksums."""
    try:
        (table,) = each_table([part])
        return set(table["photo"].to_pylist())
    except (BadValue, UnicodeDecodeError):
        return None


def class_names(folder: Path) -> dict[tuple[str, int], str]:
    """What models call the classes of the rows, by model and index."""
    rows = read_rows(folder, ["model", "label", "class_name"])
    known = rows.filter(rows["class_name"].is_valid()).group_by(["model", "label", "class_name"]).aggregate([])
    return {(row["model"], row["label"]): row["class_name"] for row in known.to_pylist()}


def failures(folder: Path) -> dict[str, list[str]]:
    """Why there are no values, each reason with its photos, in the order of the rows."""
    rows = read_rows(folder, ["error", "photo"])
    found: dict[str, dict[str, None]] = {}
    for row in rows.filter(rows["error"].is_valid()).to_pylist():
        found.setdefault(row["error"], {})[row["photo"]] = None
    return {error: list(photos) for error, photos in found.items()}


def export(folder: Path, path: Path, progress: Progress | None = None, *, overwrite: bool = False) -> Path:
    """All rows as one file: `.parquet`, or `.csv` without the columns of several numbers.

    A file that is there and holds something else stays, unless `overwrite`: `FileThere`.
    """
    parquet, text = require("pyarrow.parquet"), require("pyarrow.csv")
    arrow = require("pyarrow")
    sink = arrow.BufferOutputStream()
    if path.suffix == ".parquet":
        columns, writer = schema(), parquet.ParquetWriter(sink, schema(), compression="zstd")
    elif path.suffix == ".csv":
        columns = schema().remove(schema().get_field_index("values"))
        writer = text.CSVWriter(sink, columns)
    else:
        raise BadValue(f"the rows cannot be written as {str(path)!r}", ".parquet or .csv")
    parts = results_of(folder)
    with writer:
        for done, table in enumerate(each_table(parts, columns.names), 1):
            writer.write_table(table)
            if progress is not None:
                progress(done, len(parts))
    return write_bytes(path, sink.getvalue().to_pybytes(), overwrite=overwrite)
