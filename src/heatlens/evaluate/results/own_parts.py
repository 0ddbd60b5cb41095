"""Whether a part belongs to the evaluation in whose folder it lies: nothing else may get into its table."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...words.errors import BadValue
from .rows import each_table

_NAMES = ("photo", "model", "recipe", "metric")


def each_own(record: dict[str, Any], parts: Iterable[Path], columns: list[str]) -> Iterator[Any]:
    """The rows part by part, as `each_table`; raises BadValue for a part that the request did not make.

    columns: those of the rows' names among them.
    """
    known = {name: set(record[f"{name}s"]) for name in ("recipe", "metric")}
    known["model"] = {model["name"] for model in record["models"]}
    names = _names(record)
    owner: dict[tuple[str, str], str] = {}
    paths = list(parts)
    for part, table in zip(paths, each_table(paths, columns), strict=True):
        said = {name: set(table[name].unique().to_pylist()) for name in _NAMES}
        strange = [name for name in known if not said[name] <= known[name]]
        twice = next(((m, p) for m in said["model"] for p in said["photo"] if (m, p) in owner), None)
        if strange:
            raise _foreign(part, f"its {strange[0]} {min(said[strange[0]] - known[strange[0]])!r} was not asked for")
        if twice is not None:
            raise _foreign(part, f"{owner[twice]} has {twice[1]} too")
        if names is not None and part.name not in names:
            raise _foreign(part, "no part is called so")
        owner |= {(model, photo): part.name for model in said["model"] for photo in said["photo"]}
        yield table


def _names(record: dict[str, Any]) -> set[str] | None:
    """What the parts of a request are called; None in a folder of before that was written down."""
    photos, size = record.get("photos"), record.get("part_size")
    if not isinstance(photos, dict) or not isinstance(size, int):
        return None
    shards = -(-photos["count"] // size)
    return {f"{model:02d}-{shard:06d}.parquet" for model in range(len(record["models"])) for shard in range(shards)}


def _foreign(part: Path, why: str) -> BadValue:
    return BadValue(f"{part} is no part of this evaluation: {why}", "the parts that it wrote", "Move it elsewhere")
