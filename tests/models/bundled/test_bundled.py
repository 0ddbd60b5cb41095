"""The network that ships with heatlens."""

from pathlib import Path
from shutil import copytree

import pytest
import torch

import heatlens
from heatlens.models.bundled import load as bundled
from heatlens.words.errors import BadValue, ModelUnavailable

PACKAGE = Path(heatlens.__file__).parent


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files that may be damaged."""
    copytree(PACKAGE / "models" / "bundled", tmp_path / "weights")
    monkeypatch.setattr(bundled, "files", lambda _: tmp_path / "weights")
    return tmp_path / "weights" / "bundled_cnn.safetensors"


@pytest.mark.parametrize(("photo", "names"), [("chelsea", {"cat"}), ("coffee", {"coffee cup", "espresso"})])
def test_it_knows_a_cat_and_a_cup_of_coffee(photo: str, names: set[str]) -> None:
    data = pytest.importorskip("skimage.data")
    explanation = heatlens.explain("bundled", getattr(data, photo)())
    assert names & {name for name, _ in explanation.predictions[:3]}
    assert explanation.raw.shape == (8, 8)
    assert explanation.raw.max() > 0


def test_cam_is_exact_on_it() -> None:
    subject = heatlens.load("bundled")
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    maps = heatlens.attribute(subject, images, method="cam", target=7, upsample=False)
    with torch.no_grad():
        logits = subject.model(images)[:, 7]
    bias = subject.model.head.bias.detach()[7]
    torch.testing.assert_close(maps.mean((1, 2)) + bias, logits, rtol=1e-4, atol=1e-4)


def test_it_is_single_precision_in_eval_mode_with_names_and_synonyms() -> None:
    subject = heatlens.load("bundled")
    assert {p.dtype for p in subject.model.parameters()} == {torch.float32}
    assert not any(module.training for module in subject.model.modules())
    assert not any(p.is_meta for p in subject.model.parameters())
    assert 40 <= len(subject.classes) <= 60
    assert subject.classes.find("tabby") == subject.classes.find("cat") == subject.classes.find("n02123045")
    assert subject.assumed == ()


def test_a_damaged_file(shipped: Path) -> None:
    data = bytearray(shipped.read_bytes())
    data[len(data) // 2] ^= 1
    shipped.write_bytes(data)
    with pytest.raises(ModelUnavailable, match=r"bundled_cnn\.safetensors are damaged.*Install heatlens again"):
        heatlens.load("bundled")


def test_a_truncated_file(shipped: Path) -> None:
    shipped.write_bytes(shipped.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match=r"are damaged"):
        heatlens.load("bundled")


def test_a_missing_file(shipped: Path) -> None:
    shipped.unlink()
    with pytest.raises(ModelUnavailable, match=r"cannot be read \(No such file or directory\).*Install heatlens again"):
        heatlens.load("bundled")


def test_it_comes_as_it_is() -> None:
    with pytest.raises(BadValue, match=r"weights or arguments for the bundled model"):
        heatlens.load("bundled", weights="other.safetensors")
