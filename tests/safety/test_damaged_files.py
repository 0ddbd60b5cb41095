"""Damaged files end in one line, or are read as something harmless: never a traceback, never a hang."""

from pathlib import Path

import pytest

from safety.mutations import damaged, outcome, seeds

pytestmark = [pytest.mark.filterwarnings("ignore")]
ENDINGS = ("pt2", "ts", "pth", "pt", "safetensors", "onnx", "prototxt", "caffemodel", "json",
           "jpg", "png", "webp", "gif", "tif", "bmp", "npy", "nii", "nii.gz")  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_copies_end_in_one_line(ending: str, tmp_path: Path) -> None:
    if ending == "json":
        pytest.importorskip("mmpretrain")
    if ending.startswith("nii"):
        pytest.importorskip("nibabel")
    content, opening = seeds(tmp_path)[ending]
    file = tmp_path / f"good.{ending}"
    file.write_bytes(content)
    assert outcome(file, opening) == "read", "the file itself is good"
    assert damaged(ending, content, opening, tmp_path, 40) == []
