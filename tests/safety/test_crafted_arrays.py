"""Arrays in files that say more than they hold: one line, and no memory is asked for."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heatlens
from heatlens.images import read_map, read_volume
from heatlens.models.files.caffe.load import mean_of
from heatlens.words.errors import BadPhoto, HeatlensError
from heatlens.words.npy_files import read_npy


def header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    """The beginning of a .npy file of this shape, and ten numbers."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue() + bytes(80)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", header((1,)))
    return out.getvalue()


FILES = {
    "enormous": header((10**6, 10**7)),
    "a volume": header((10**5, 10**5, 10**3)),
    "beyond counting": header((10**11, 10**11)),
    "negative": header((-1, 3, 4)),
    "of objects": header((2, 2), "|O"),
    "an archive": zipped(),
    "begun": header((2, 2))[:9],
    "empty": b"",
    "text": header((2, 2, 2), "<U1"),
}


def described(path: Path) -> Any:
    photo = np.zeros((8, 8, 3), np.uint8)
    return heatlens.describe("bundled", photo, attributes=["a", "b"], attribute_weights=path)


@pytest.mark.parametrize("read", [read_volume, read_map, mean_of, described], ids=lambda read: read.__name__)
@pytest.mark.parametrize("what", FILES)
def test_what_is_no_array_is_one_line(read: Callable[[Path], Any], what: str, tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    path.write_bytes(FILES[what])
    with pytest.raises(HeatlensError) as refused:
        read(path)
    assert len(str(refused.value).splitlines()) == 1
    assert path.name in str(refused.value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_what_was_saved(order: Any, tmp_path: Path) -> None:
    saved = np.asarray(np.random.default_rng(0).random((3, 4, 5)), order=order)
    np.save(tmp_path / "array.npy", saved)
    np.testing.assert_array_equal(read_npy(tmp_path / "array.npy"), saved)
    np.testing.assert_array_equal(read_volume(tmp_path / "array.npy").voxels[0], saved.astype(np.float32))
    np.save(tmp_path / "map.npy", saved[0])
    np.testing.assert_array_equal(read_map(tmp_path / "map.npy"), saved[0].astype(np.float32))


def test_voxels_are_counted_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    about = nibabel.Nifti1Header()
    about.set_data_shape((30_000, 30_000, 30_000))
    about.set_data_dtype(np.uint8)
    about["vox_offset"], about["magic"] = 352, b"n+1"
    with gzip.open(tmp_path / "scan.nii.gz", "wb") as file:
        file.write(about.binaryblock + bytes(1_000_000))
    with pytest.raises(BadPhoto, match=r"has 27,000,000,000,000 voxels.*at most 536,870,912.*set HEATLENS_MAX_VOXELS"):
        read_volume(tmp_path / "scan.nii.gz")
    np.save(tmp_path / "small.npy", np.zeros((2, 3, 4)))
    monkeypatch.setenv("HEATLENS_MAX_VOXELS", "23")
    with pytest.raises(BadPhoto, match=r"small\.npy has 24 voxels\. Expected at most 23"):
        read_volume(tmp_path / "small.npy")
    monkeypatch.setenv("HEATLENS_MAX_VOXELS", "24")
    assert read_volume(tmp_path / "small.npy").size == (2, 3, 4)
