"""What the page on other frameworks shows of Jittor is run."""

from pathlib import Path

import numpy as np
import pytest
from docs.pages import ROOT, blocks
from PIL import Image


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    shown = [b for b in blocks(ROOT / "docs" / "how-to" / "other-frameworks.md") if "jittor" in b.marks]
    assert len(shown) == 1
    namespace: dict[str, object] = {}
    exec(shown[0].body, namespace)
    assert namespace["explanation"].raw.shape == (64, 64)  # type: ignore[attr-defined]
