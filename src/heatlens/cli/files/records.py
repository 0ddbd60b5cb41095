"""The JSON beside the pictures: every run adds its entries, and none loses another's."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...words.errors import BadValue

Record = dict[str, Any]


class Records:
    """The entries of one file: those that are there, and those of this run.

    An entry has an `id`, unlike all others, and the `stem` that the names of its photo's files begin with.  Paths are
    relative to the file's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new: list[Record] = []

    def stems(self, photos: Sequence[Path]) -> list[str]:
        """What files of these photos are called: as before, where there are entries of theirs, else unlike others."""
        from ...images import unique_names

        known = {record["photo"]: record["stem"] for record in self._read() if "stem" in record}
        called = [known.get(self.relative(photo)) for photo in photos]
        strangers = [photo.stem for photo, stem in zip(photos, called, strict=True) if stem is None]
        new = iter(unique_names(strangers, taken=known.values()))
        return [next(new) if stem is None else stem for stem in called]

    def relative(self, path: Path | str) -> str:
        """A path as this file names it."""
        from ...images import relative

        return relative(path, self.path.parent)

    def add(self, record: Record) -> None:
        """Keep an entry of this run."""
        self._new.append(record)

    def write(self, then: Callable[[], None] = lambda: None) -> list[Record]:
        """Add the entries of this run, each in the place of one of the same id; returns them.

        then: what else is written while nobody else writes.
        """
        from ...images import save_json

        if not self._new:
            return []
        with _alone(self.path):
            entries = {record.get("id", k): record for k, record in enumerate(self._read())}
            entries |= {record["id"]: self._with_older_files(record, entries) for record in self._new}
            save_json(self.path, list(entries.values()))
            then()
        return self._new

    def _with_older_files(self, record: Record, entries: dict[Any, Record]) -> Record:
        """The same map may have been written as something else before."""
        older = entries.get(record["id"], {}).get("files", [])
        there = [file for file in older if file not in record["files"] and (self.path.parent / file).is_file()]
        return {**record, "files": [*record["files"], *there]}

    def _read(self) -> list[Record]:
        """The entries that are there; raises BadValue where something else is."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            folder = self.path.parent
            raise BadValue(
                f"{folder} is no folder", "", "A file stands where a folder is needed: choose another --out"
            ) from None
        except (OSError, ValueError) as error:
            raise self._strange(str(error)) from None
        if not isinstance(found, list) or not all(isinstance(record, dict) and "photo" in record for record in found):
            raise self._strange("it holds something else")
        return found

    def _strange(self, why: str) -> BadValue:
        expected = "entries that heatlens wrote, to add to"
        return BadValue(f"{self.path}: {why}", expected, "Move the file away, or choose another --out")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else writes the file meanwhile: a lock that dies with its process, where the file system has locks."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except NotImplementedError:
        pass
    except OSError as error:
        raise BadValue(f"{path} cannot be written: {error}", "a folder to write in", "Choose another --out") from None
    try:
        yield
    finally:
        lock.release()
