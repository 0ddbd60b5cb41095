"""`make demo`, without `make`."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from helpers.pages import ROOT, bundled_is_there

DEMO = str(ROOT / "examples" / "demo.py")


def test_it_writes_a_page_per_photo_and_says_where(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    if not bundled_is_there():
        pytest.skip("the bundled model's weights are not in src/heatlens/models/bundled")
    done = subprocess.run([sys.executable, DEMO, "here"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for name in ("chelsea", "coffee"):
        assert str(Path("here") / f"{name}.png") in done.stdout
        with Image.open(tmp_path / "here" / f"{name}.png") as page:
            assert min(page.size) > 600


def test_what_is_missing_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "skimage.py").write_text("raise ModuleNotFoundError('no skimage', name='skimage')")
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, DEMO], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if bundled_is_there():
        assert 'pip install "heatlens[superpixels]"' in done.stderr
