"""Test pipelines of MMPretrain: every one of its zoo shows the pixels that MMPretrain's own transforms show."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import heatlens
from heatlens.images import Placement, Preprocessing, prepare, read_photo
from heatlens.models import Subject
from heatlens.models.libraries.mmpretrain.configs import library
from heatlens.models.libraries.mmpretrain.pipelines import shown_by
from heatlens.words.errors import BadValue

LOAD = {"type": "LoadImageFromFile"}
PACK = {"type": "PackInputs"}


def config(*steps: Any, **dataset: Any) -> dict[str, Any]:
    return {"test_dataloader": {"dataset": {"pipeline": list(steps), **dataset}}}


def subject_of(said: Any) -> Subject:
    """A network that takes the pixels as they are, BGR from 0 to 255."""
    shown = shown_by(nn.Module(), said)
    remarks = (*shown.assumed, *shown.remarks)
    return Subject("shown", nn.Module(), shown.preprocessing, any_size=shown.any_size, remarks=remarks)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Landscape, portrait, small with odd sides, square."""
    from skimage import data

    folder, cat = tmp_path_factory.mktemp("photos"), data.chelsea()
    pictures = [cat, cat.transpose(1, 0, 2), cat[:97, :301], cat[:250, 40:290]]
    for number, pixels in enumerate(pictures):
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def zoo() -> list[tuple[str, Any]]:
    """A config for each distinct test pipeline of MMPretrain's zoo."""
    from mmengine.config import Config

    root = Path(library().__file__).parent / ".mim" / "configs"
    found: dict[str, tuple[str, Any]] = {}
    for file in sorted(root.rglob("*.py")):
        try:
            said = Config.fromfile(file)
        except Exception:  # some inherit from what is not there
            continue
        pipeline = ((said.get("test_dataloader") or {}).get("dataset") or {}).get("pipeline")
        if pipeline and "_base_" not in file.parts:
            found.setdefault(repr(pipeline), (file.stem, said))
    return list(found.values())


def own_pixels(steps: Sequence[Any], photo: Path) -> torch.Tensor:
    """What MMPretrain's transforms make of a photo; one that loads no file is given one, as its inference does."""
    library()
    from mmcv.transforms import Compose
    from mmpretrain.registry import TRANSFORMS

    first = steps[0].get("transforms", steps)[0]
    loading = [] if str(first["type"]).endswith("LoadImageFromFile") else [LOAD]
    packed = Compose([TRANSFORMS.build(step) for step in [*loading, *steps]])({"img_path": str(photo)})
    return torch.as_tensor(packed["inputs"]).float()


def difference(said: Any, photo: Path) -> float:
    """In grey levels; infinite where the sizes differ."""
    ours, _ = subject_of(said).prepare(read_photo(photo))
    own = own_pixels(said["test_dataloader"]["dataset"]["pipeline"], photo)
    return float((ours[0] - own).abs().max()) if ours[0].shape == own.shape else float("inf")


def test_every_test_pipeline_of_the_zoo(zoo: list[tuple[str, Any]], photos: list[Path]) -> None:
    compared, unlike, cannot = 0, {}, {}
    for name, said in zoo:
        steps = said["test_dataloader"]["dataset"]["pipeline"]
        try:
            own_pixels(steps, photos[0])
        except (KeyError, ValueError) as error:  # it wants a question, a caption, a sentence beside the photo
            cannot[name] = str(error).strip("'")
            continue
        if [step["type"] for step in steps] == ["PackInputs"]:
            continue  # the pictures of CIFAR as they are: below
        compared += 1
        worst = max(difference(said, photo) for photo in photos)
        if worst > 1.001:
            unlike[name] = worst
    assert unlike == {}
    assert compared >= 70
    assert all(word in ("text", "question") or "objects" in word for word in cannot.values()), cannot
    assert len(cannot) <= 9


@pytest.mark.parametrize(
    "steps",
    [
        [{"type": "ResizeEdge", "scale": 100}],
        [{"type": "Resize", "scale": (200, 90), "keep_ratio": True}],
        [{"type": "Resize", "scale": (90, 200)}, {"type": "CenterCrop", "crop_size": (50, 120)}],
        [{"type": "EfficientNetCenterCrop", "crop_size": 64, "interpolation": "nearest"}],
        [
            {"type": "NumpyToPIL", "to_rgb": True},
            {"type": "torchvision/Resize", "size": 120, "interpolation": "bicubic"},
            {"type": "torchvision/CenterCrop", "size": (60, 100)},
            {"type": "PILToNumpy", "to_bgr": True},
        ],
        [],
    ],
    ids=lambda steps: "-".join(step["type"] for step in steps) or "as it is",
)
def test_pipelines_of_ones_own(steps: list[dict[str, Any]], photos: list[Path]) -> None:
    said = config(LOAD, *steps, PACK)
    assert max(difference(said, photo) for photo in photos) <= 1.001
    assert subject_of(said).remarks == ()


def test_steps_that_are_not_followed_are_said() -> None:
    said = config(LOAD, {"type": "ResizeEdge", "scale": 64, "edge": "long"}, {"type": "Rotate", "angle": 9}, PACK)
    subject = subject_of(said)
    assert [r.partition(" of the")[0] for r in subject.remarks] == [
        "the step ResizeEdge(scale=64, edge='long')", "the step Rotate(angle=9)",
    ]  # fmt: skip
    larger = config({"type": "ResizeEdge", "scale": 64}, {"type": "CenterCrop", "crop_size": 80})
    assert "CenterCrop(crop_size=80)" in subject_of(larger).remarks[0]
    alike = config({"type": "EfficientNetCenterCrop", "crop_size": 64, "interpolation": "area"})
    assert subject_of(alike).remarks == (
        "OpenCV's area in EfficientNetCenterCrop is taken for Pillow's, which is like it",
    )


def test_a_damaged_step_is_one_line() -> None:
    with pytest.raises(BadValue, match=r"step \{'type': 'Resize'\}.*cannot be followed: 'scale'"):
        subject_of(config({"type": "Resize"}))


def test_pictures_of_a_data_set_that_are_never_resized() -> None:
    subject = subject_of(config(PACK, type="CIFAR10"))
    assert subject.preprocessing.size == (32, 32)
    assert subject.remarks == ("size: 32x32, that of CIFAR10's pictures",)


def test_a_cut_comes_before_the_resizing() -> None:
    """On paper: of 30 x 50 half the shorter side is 15, from (8, 18) on: round((30 - 15) / 2), round((50 - 15) / 2)."""
    photo = read_photo(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))
    image, placement = prepare(photo, Preprocessing((15, 15), "squash", cut=0.5, mean=(0,) * 3, std=(1,) * 3, scale=1))
    torch.testing.assert_close(image, torch.tensor(photo.pixels[8:23, 18:33]).permute(2, 0, 1).float())
    assert placement == Placement((30, 50), (15, 15), (1.0, 1.0), (-8.0, -18.0))
    _, twice = prepare(photo, Preprocessing((30, 30), "squash", cut=0.5))
    assert twice.box_to_photo((0, 0, 30, 30)) == (18, 8, 33, 23)
    with pytest.raises(BadValue, match=r"cut 1\.5"):
        Preprocessing(cut=1.5)


def test_another_way_to_resize_replaces_the_cut() -> None:
    subject = subject_of(config({"type": "EfficientNetCenterCrop", "crop_size": 64}))
    assert subject.preprocessing.cut == 64 / 96
    assert subject.overridden(size=96).preprocessing.cut == 64 / 96
    assert subject.overridden(resize="squash").preprocessing.cut is None


def test_transparency_is_dropped_as_mmpretrain_drops_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    said = config(LOAD, {"type": "Resize", "scale": 40}, PACK)
    assert difference(said, tmp_path / "clear.png") == 0
    photo, subject = read_photo(tmp_path / "clear.png"), subject_of(said)
    white, _ = subject.overridden(transparency="white").prepare(photo)
    torch.testing.assert_close(white[0], torch.tensor(photo.pixels[..., ::-1].copy()).permute(2, 0, 1).float())
    for solid in (pixels[..., :3], np.dstack([pixels[..., :3], np.full((40, 40), 255, np.uint8)])):
        assert read_photo(solid).colours is None
        assert (read_photo(solid).pixels == pixels[..., :3]).all()


NEW_STYLE = """
from mmpretrain.datasets import CenterCrop, CustomDataset, LoadImageFromFile, PackInputs, ResizeEdge
from mmpretrain.models import ClsDataPreprocessor, GlobalAveragePooling, ImageClassifier, LinearClsHead, MobileNetV2

model = dict(
    type=ImageClassifier,
    backbone=dict(type=MobileNetV2, widen_factor=0.1),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearClsHead, num_classes=3, in_channels=1280),
    data_preprocessor=dict(type=ClsDataPreprocessor, mean=[1., 2., 3.], std=[4., 5., 6.], to_rgb=True),
)
test_dataloader = dict(dataset=dict(type=CustomDataset, metainfo=dict(classes=['ant', 'bee', 'cow']), pipeline=[
    dict(type=LoadImageFromFile),
    dict(type=ResizeEdge, scale=512, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type=CenterCrop, crop_size=448),
    dict(type=PackInputs),
]))
"""


def test_a_config_of_the_new_style_is_read_like_one_of_the_old(tmp_path: Path, photos: list[Path]) -> None:
    (tmp_path / "new.py").write_text(NEW_STYLE)
    library()  # what makes the package importable for the config
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject = heatlens.load("mmpretrain", "none", config=tmp_path / "new.py", trust=True)
    p = subject.preprocessing
    assert (p.size, p.before_cut, p.interpolation, p.antialias) == ((448, 448), (512, 512), "bicubic", True)
    assert (p.mean, p.std, p.channels) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "RGB")
    assert subject.classes.names == ("ant", "bee", "cow")
    assert (subject.assumed, subject.remarks) == ((), ())
    image, _ = subject.prepare(read_photo(photos[0]))
    own = own_pixels([
        LOAD, {"type": "ResizeEdge", "scale": 512, "backend": "pillow", "interpolation": "bicubic"},
        {"type": "CenterCrop", "crop_size": 448}, PACK,
    ], photos[0]).flip(0)  # fmt: skip
    assert (
        image[0] * torch.tensor([4.0, 5.0, 6.0])[:, None, None] + torch.tensor([1.0, 2.0, 3.0])[:, None, None] - own
    ).abs().max() < 1e-3
