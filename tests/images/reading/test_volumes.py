"""Volumes are photos of three dimensions: read, shown to a network, explained at their own size, drawn as slices."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.images import Volume, read_volume
from heatlens.words.errors import BadPhoto, BadValue, HeatlensError, MissingExtra

SIZE = (10, 12, 8)
VOXELS = np.random.default_rng(0).normal(100, 25, SIZE).astype(np.float32)
VOXELS[2:5, 6:10, 1:4] += 200


class Net(nn.Module):
    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv3d(channels, 6, 3, padding=1), nn.ReLU(), nn.AvgPool3d(2))
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.body(x).mean((2, 3, 4)))
        return scores


NET = Net().eval()


def normal(array: np.ndarray, mean: float | None = None, std: float | None = None) -> Tensor:
    mean, std = array.mean() if mean is None else mean, array.std() if std is None else std
    return torch.from_numpy((array - mean) / std)[None, None].float()


@pytest.mark.parametrize("given", ["array", "tensor", "npy", "whole numbers"])
def test_a_volume_is_explained_at_its_own_size(given: str, tmp_path: Path) -> None:
    source: Any = {"array": VOXELS, "tensor": torch.from_numpy(VOXELS), "npy": tmp_path / "scan.npy"}.get(given)
    voxels = VOXELS.round().astype(np.int16) if given == "whole numbers" else VOXELS
    if given == "npy":
        np.save(source, voxels)
    answer = heatlens.explain(NET, voxels if source is None else source, target=1, method="hires_cam", layers="body")
    shown = normal(voxels.astype(np.float32))
    assert answer.score == pytest.approx(float(NET(shown)[0, 1]), abs=1e-4)
    A = NET.body(shown).detach()
    raw = (A * NET.fc.weight[1].detach()[None, :, None, None, None]).sum(1)[0] / (5 * 6 * 4)
    torch.testing.assert_close(torch.from_numpy(answer.raw), raw, rtol=1e-3, atol=1e-6)
    large = nn.functional.interpolate((raw / raw.abs().max())[None, None], SIZE, mode="trilinear", align_corners=False)
    assert answer.map.shape == SIZE
    np.testing.assert_allclose(answer.map, large[0, 0].numpy(), rtol=1e-3, atol=1e-5)
    assert any("standard deviation 1" in said for said in answer.warnings)


def test_what_a_person_says_of_the_intensities() -> None:
    subject = heatlens.load(NET, mean=90, std=30)
    answer = heatlens.explain(subject, VOXELS, target=2)
    assert answer.score == pytest.approx(float(NET(normal(VOXELS, 90, 30))[0, 2]), abs=1e-4)
    assert answer.warnings == ()
    sized = heatlens.explain(heatlens.load(NET, size=(6, 6, 6)), VOXELS, target=2, layers="body")
    assert sized.raw.shape == (3, 3, 3)
    assert sized.map.shape == SIZE
    for wrong in ({"size": (4, 4)}, {"mean": (1, 2, 3)}, {"size": "large"}):
        with pytest.raises(BadValue, match="for volumes"):
            heatlens.load(NET, **wrong)


def test_the_peak_is_where_the_map_is_highest() -> None:
    answer = heatlens.explain(NET, VOXELS, target=1, layers="body")
    x, y, z = answer.peak
    assert answer.map[z, y, x] == answer.map.max()
    assert answer.record()["peak"] == [x, y, z]
    assert len(repr(answer)) < 200


def test_slices_are_drawn(tmp_path: Path) -> None:
    answer = heatlens.explain(NET, VOXELS, target=1, layers="body")
    assert answer.slice(0, 3).size == (8, 12)
    assert answer.slice(1, 3).size == (8, 10)
    assert answer.slice(2, -1).size == (12, 10)
    assert answer.slices(axis=1, count=4).size[0] > 400
    for name in ("scan.png", "scan.npy", "scan.json"):
        answer.save(tmp_path / name)
    assert np.load(tmp_path / "scan.npy").shape == SIZE
    assert answer.picture().size[0] > answer.picture().size[1]  # three slices in a row
    for wrong in (lambda: answer.slice(3, 0), lambda: answer.slice(0, 10), lambda: answer.slices(count=0)):
        with pytest.raises(BadValue):
            wrong()


def test_a_slice_shows_the_heat_of_its_own_places() -> None:
    answer = heatlens.explain(NET, VOXELS, target=1, layers="body", method="hires_cam")
    plain = answer.photo.slice(0, 3)
    drawn = np.asarray(answer.slice(0, 3)).astype(int)
    moved = np.abs(drawn - plain).sum(2)
    hot, cold = np.abs(answer.map[3]) > 0.8, np.abs(answer.map[3]) < 0.05
    assert not hot.any() or not cold.any() or moved[hot].mean() > moved[cold].mean()


def test_boxes_points_and_masks_are_of_photos() -> None:
    answer = heatlens.explain(NET, VOXELS, target=1, layers="body")
    for asked in (answer.boxes, answer.points, answer.mask, answer.findings):
        with pytest.raises(BadValue, match="of a volume"):
            asked()


def test_several_channels_and_several_volumes() -> None:
    two = np.stack([VOXELS, VOXELS[::-1]])
    answer = heatlens.explain(Net(2).eval(), two, target=1)
    assert answer.map.shape == SIZE
    answers = heatlens.explain(NET, [VOXELS, VOXELS[:8], "nowhere.npy"], target=1)
    assert [bool(one) for one in answers] == [True, True, False]
    assert answers[1].map.shape == (8, 12, 8)
    with pytest.raises(BadValue, match=r"a volume of 2 channel\(s\) for Net, which takes 1"):
        heatlens.explain(NET, two)


@pytest.mark.parametrize("method", ["eigen_cam", "occlusion", "layer_cam", "full_grad"])
def test_methods_of_every_kind(method: str) -> None:
    settings = {"window": 4, "stride": 4} if method == "occlusion" else {}
    answer = heatlens.explain(NET, VOXELS, target=1, method=method, settings=settings)
    assert answer.map.shape == SIZE


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros((3, 4)), "is no volume"),
        (np.zeros((0, 4, 4)), "is no volume"),
        (np.full((2, 2, 2), np.nan), "NaN or infinity"),
        (np.array([[["a"]]]), "is no volume"),
        (3, "cannot be read from a int"),
        ("nowhere.npy", "no file"),
        (__file__, "is no volume"),
    ],
)
def test_what_is_no_volume_is_one_line(source: Any, said: str) -> None:
    with pytest.raises(BadPhoto, match=said) as refused:
        read_volume(source)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_damaged_or_runs_code(tmp_path: Path) -> None:
    (tmp_path / "short.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    for name in ("short.npy", "objects.npy"):
        with pytest.raises(BadPhoto, match="cannot be read"):
            read_volume(tmp_path / name)


def test_nifti_files_are_read_by_nibabel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(b"as nibabel has it")
    scan = SimpleNamespace(shape=VOXELS.shape, get_fdata=VOXELS.astype)
    monkeypatch.setitem(sys.modules, "nibabel", SimpleNamespace(load=lambda file: scan))
    volume = read_volume(str(path))
    assert (volume.name, volume.size) == ("brain", SIZE)
    np.testing.assert_array_equal(volume.voxels[0], VOXELS)
    assert heatlens.explain(NET, path, target=1).map.shape == SIZE

    def broken(file: Any) -> Any:
        raise ValueError("not a header")

    monkeypatch.setitem(sys.modules, "nibabel", SimpleNamespace(load=broken))
    with pytest.raises(BadPhoto, match="not a header"):
        read_volume(path)


def test_real_nifti_files(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.eye(4)), tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").voxels[0], VOXELS)


def test_without_nibabel_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "brain.nii"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtra, match=r"pip install \"heatlens\[volumes\]\""):
        read_volume(path)


def test_a_photo_for_a_network_of_volumes_is_one_line(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    with pytest.raises(HeatlensError, match="is no volume"):
        heatlens.explain(NET, tmp_path / "photo.png")


def test_a_volume_stays_as_it_is() -> None:
    volume = read_volume(VOXELS)
    assert isinstance(volume, Volume)
    assert read_volume(volume) is volume
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0, 0] = 1
