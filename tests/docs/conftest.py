"""What the pages take for granted: a folder with a few photos."""

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder: cat.jpg, coffee.jpg, and photos/ with both."""
    data = pytest.importorskip("skimage.data")
    (tmp_path / "photos").mkdir()
    for name, pixels in (("cat", data.chelsea()), ("coffee", data.coffee())):
        for folder in (tmp_path, tmp_path / "photos"):
            Image.fromarray(pixels).save(folder / f"{name}.jpg", quality=92)
    monkeypatch.chdir(tmp_path)
    return tmp_path
