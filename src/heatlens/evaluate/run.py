"""Run an evaluation: whatever is not done yet.  It may be ended at any moment and carries on where it was."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import filelock

from ..images.writing.write import save_json
from ..words.errors import BadValue
from ..words.version import __version__
from .engines.local import Done, local
from .requests.request import Request, Unit
from .results.rows import PARTS, Row, parts_of, photos_of, write_part

REQUEST = "request.json"
"""The file that says what the results of a folder are results of."""

Watch = Callable[[int, list[Row]], None]
"""Told of every finished part: its photos and its rows; of what was there before: its photos and no rows."""


def run(
    request: Request,
    out: Path | str,
    *,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    device: str = "cpu",
    address: str | None = None,
    watch: Watch | None = None,
) -> Path:
    """Do what is left of a request, in the folder `out`; returns the folder.

    The same request in the same folder carries on where it was ended, on whichever engine; another request there is a
    `BadValue`, and so is a second run at the same time.  Every part is written whole or not at all.
    device: one, or several joined by commas (`cuda:0,cuda:1`), each of which gets a worker process of its own.
    """
    folder = Path(out).expanduser()
    with _alone(folder):
        _claim(folder, request)
        _sweep(folder)
        there = _whole(folder, request)
        left = [unit for unit in _each_model_first(request.units) if unit.name not in there]
        if watch is not None:
            watch(sum(len(unit.items) for unit in request.units if unit.name in there), [])
        for unit, rows in _engine(engine, request, left, workers, device, address):
            write_part(folder / PARTS / unit.name, rows)
            if watch is not None:
                watch(len(unit.items), rows)
    return folder


def _each_model_first(units: list[Unit]) -> list[Unit]:
    """One piece of every model before the rest: what a model is asked wrongly comes out before hours of the others."""
    return sorted(units, key=lambda unit: unit.shard > 0)


def _engine(
    engine: str, request: Request, left: list[Unit], workers: int | None, device: str, address: str | None
) -> Done:
    if not left:
        return iter(())
    if engine == "local":
        return local(request, left, workers=workers or 1, device=device)
    if engine == "ray":
        from .engines.ray import on_ray

        return on_ray(request, left, workers=workers, device=device, address=address)
    raise BadValue(f"the engine {engine!r}", "local or ray")


def read_record(folder: Path) -> dict[str, Any]:
    """What the results of a folder are results of; raises BadValue."""
    try:
        record = json.loads((folder / REQUEST).read_text("utf-8"))
    except OSError:
        raise BadValue(f"there is no evaluation in {folder}", "a folder that heatlens evaluate wrote") from None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not record.keys() >= {"models", "recipes", "metrics"}:
        raise BadValue(
            f"{folder / REQUEST} is damaged", "what heatlens evaluate wrote", "Restore it, or begin in another folder"
        )
    return record


def _claim(folder: Path, request: Request) -> None:
    """Write the request beside the results, or find it there; one that came to no result holds nothing."""
    record = request.record()
    if not (folder / REQUEST).exists() or not parts_of(folder):
        save_json(folder / REQUEST, {"heatlens": __version__, **record})
        return
    known = read_record(folder)
    plain = json.loads(json.dumps(record))
    for noted_since in ("truth", "files"):
        known.setdefault(noted_since, plain[noted_since])
    changed = [key for key in plain if plain[key] != known.get(key)]
    if changed:
        key = changed[0]
        if key == "files" and isinstance(known[key], dict):
            raise _replaced(folder, known[key], plain[key])
        raise BadValue(
            f"{folder} holds another evaluation: its {key} is {_short(known.get(key))}, not {_short(plain[key])}",
            f"the request in {folder / REQUEST}",
            "Repeat that one, or choose another folder",
        )


def _replaced(folder: Path, known: dict[str, Any], now: dict[str, Any]) -> BadValue:
    """That photos are not what they were when the evaluation began."""
    other = [name for name in now if now[name] != known.get(name)] or [name for name in known if name not in now]
    more = f" and {len(other) - 1} more" if len(other) > 1 else ""
    return BadValue(
        f"the photo {other[0]}{more} changed since the evaluation in {folder} began",
        "the same photos",
        "Restore them, or choose another folder",
    )


def _whole(folder: Path, request: Request) -> set[str]:
    """The names of the parts that are done.  A damaged one is done again; one of something else is a `BadValue`."""
    units = {unit.name: unit for unit in request.units}
    done = set()
    for part in parts_of(folder):
        unit = units.get(part.name)
        photos = None if unit is None else photos_of(part)
        if unit is None or (photos is not None and photos != {item.name for item in unit.items}):
            raise BadValue(f"{part} is no part of this evaluation", "the parts that it wrote", "Move it elsewhere")
        if photos is None:
            part.unlink()
        else:
            done.add(part.name)
    return done


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed had begun to write."""
    for begun in (folder / PARTS).glob(".*.part"):
        begun.unlink()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:99]}…"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else runs in the folder meanwhile; a lock that dies with its process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise BadValue(f"another run is writing in {folder}", "one run per folder", "Wait for it, or end it") from None
    except OSError as error:
        raise BadValue(f"{folder} cannot be written: {error}", "a folder", "Choose another") from None
    try:
        yield
    finally:
        lock.release()
