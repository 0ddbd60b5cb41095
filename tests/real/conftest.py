"""Trained networks and real photos, from HEATLENS_DATA or `shared/data` beside the repository."""

import csv
import os
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

    def boxes(self, name: str) -> dict[int, Box]:
        """Class index -> (x0, y0, x1, y1) in pixels of the photo."""
        with (self.folder / "images" / "labels.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["file"] == name and row["x0"]]
        corners = ("x0", "y0", "x1", "y1")
        return {int(r["class_index"]): tuple(float(r[c]) for c in corners) for r in rows}  # type: ignore[misc]


@pytest.fixture(scope="session")
def data() -> Data:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("HEATLENS_DATA", beside))
    if not (folder / "weights").is_dir():
        pytest.skip("no trained networks and photos: set HEATLENS_DATA to their folder")
    return Data(folder)
