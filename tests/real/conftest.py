"""Trained networks and real photos, from HEATLENS_DATA or `shared/data` beside the repository."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Data:
    folder: Path

    def photo(self, name: str) -> Path:
        return self.folder / "images" / name

    def weights(self, name: str) -> Path:
        return self.folder / "weights" / f"{name}.safetensors"

    def objects(self) -> dict[str, tuple[int, list[Box]]]:
        """Photo -> its class index and boxes, of the validation photos in order of their names."""
        found: dict[str, tuple[int, list[Box]]] = {}
        for row in self._rows():
            if row["file"].startswith("ilsvrc_val/"):
                found.setdefault(row["file"], (int(row["class_index"]), []))[1].append(_box(row))
        return dict(sorted(found.items()))

    @staticmethod
    def on_object(point: tuple[float, float], boxes: Sequence[Box]) -> bool:
        """Whether a point is in one of the boxes."""
        return any(x0 <= point[0] < x1 and y0 <= point[1] < y1 for x0, y0, x1, y1 in boxes)

    def hard(self) -> list[str]:
        """The photos of the hard subset."""
        lines = (self.folder / "images" / "hard_subset.txt").read_text("utf-8").split()
        return [line.partition(",")[0] for line in lines]

    def boxes(self, name: str) -> dict[int, Box]:
        """Class index -> (x0, y0, x1, y1) in pixels of the photo."""
        return {int(row["class_index"]): _box(row) for row in self._rows() if row["file"] == name}

    def _rows(self) -> list[dict[str, str]]:
        """A row for each box."""
        with (self.folder / "images" / "labels.csv").open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["x0"]]


def _box(row: dict[str, str]) -> Box:
    x0, y0, x1, y1 = (float(row[corner]) for corner in ("x0", "y0", "x1", "y1"))
    return x0, y0, x1, y1


@pytest.fixture(scope="session")
def data() -> Data:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("HEATLENS_DATA", beside))
    if not (folder / "weights").is_dir():
        pytest.skip("no trained networks and photos: set HEATLENS_DATA to their folder")
    return Data(folder)
