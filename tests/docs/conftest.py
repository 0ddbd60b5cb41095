"""What the pages take for granted: a folder with a few photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder: cat.jpg, coffee.jpg, photos/ with both, labels.csv with their boxes, heat.jpg, a map."""
    data = pytest.importorskip("skimage.data")
    (tmp_path / "photos").mkdir()
    for name, pixels in (("cat", data.chelsea()), ("coffee", data.coffee())):
        for folder in (tmp_path, tmp_path / "photos"):
            Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=92)
    boxes = "cat.jpg,cat,20,10,440,300\ncoffee.jpg,coffee cup,150,20,480,340\n"
    (tmp_path / "labels.csv").write_text(f"file,class,x0,y0,x1,y1\n{boxes}")
    y, x = np.mgrid[:300, :451]
    hills = [np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * s**2)) for v, u, s in ((120, 150, 40), (200, 320, 25))]
    Image.fromarray((255 * np.maximum(*hills)).astype(np.uint8)).save(tmp_path / "heat.jpg")
    np.save(tmp_path / "heat.npy", np.maximum(*hills).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path
