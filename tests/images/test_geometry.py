"""What a model sees of a photo, bit for bit as the libraries that trained it."""

from typing import Any

import numpy as np
import pytest
import torch
from timm.data import create_transform
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from heatlens.images import Photo, Preprocessing, black, denormalise, prepare, read_photo
from heatlens.words.errors import BadPhoto, BadValue, UnknownName

SIZES = [
    (300, 400),
    (400, 300),
    (224, 224),
    (256, 256),
    (231, 517),
    (517, 231),
    (100, 80),
    (31, 200),
    (333, 332),
    (1, 9),
]
"""(height, width): landscape, portrait, the crop itself, odd rounding, smaller than the crop, thin."""


def noise(height: int, width: int) -> Photo:
    """Smooth blobs with noise, so that every kind of resizing shows."""
    rng = np.random.default_rng(height * 1000 + width)
    return read_photo(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("crop", "resized", "interpolation"), [
    (224, 256, "bilinear"), (224, 232, "bicubic"), (299, 342, "bilinear"), (63, 64, "nearest"),
    (224, 200, "bilinear"), (225, 256, "box"), (96, 97, "lanczos"), (96, 96, "hamming"),
])  # fmt: skip
def test_crops_are_torchvisions(size: tuple[int, int], crop: int, resized: int, interpolation: str) -> None:
    photo = noise(*size)
    preset = ImageClassification(
        crop_size=crop, resize_size=resized, interpolation=InterpolationMode(interpolation), antialias=True
    )
    ours, _ = prepare(photo, Preprocessing((crop, crop), "crop", resized, interpolation))  # type: ignore[arg-type]
    torch.testing.assert_close(ours, preset(photo.image()), rtol=0, atol=0)


TIMM = [  # crop_mode, resize, input size, crop_pct, shorter_side = floor(size / crop_pct) per side, interpolation
    ("center", "crop", (224, 224), 0.875, 256, "bicubic"),
    ("center", "crop", (288, 288), 1.0, 288, "bilinear"),
    ("center", "crop", (192, 256), 0.9, (213, 284), "bicubic"),
    ("center", "crop", (192, 256), 1.0, None, "bilinear"),
    ("squash", "squash", (224, 224), 1.0, None, "bicubic"),
    ("squash", "squash", (200, 300), 0.95, (210, 315), "bilinear"),
    ("border", "pad", (224, 224), 1.0, None, "bicubic"),
    ("border", "pad", (224, 160), 0.9, (248, 177), "bilinear"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", TIMM, ids=str)
def test_crops_squashes_and_borders_are_timms(size: tuple[int, int], case: tuple[Any, ...]) -> None:
    mode, resize, shape, share, shorter, interpolation = case
    photo = noise(*size)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    transform = create_transform(
        (3, *shape), is_training=False, crop_mode=mode, crop_pct=share, interpolation=interpolation, mean=mean, std=std
    )
    ours, _ = prepare(photo, Preprocessing(shape, resize, shorter, interpolation, mean, std))
    torch.testing.assert_close(ours, transform(photo.image()), rtol=0, atol=0)


def flat(*colour: int) -> Photo:
    return read_photo(np.full((10, 20, 3), colour, np.uint8))


UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def test_bgr_models_get_blue_first_and_their_statistics_in_that_order() -> None:
    p = Preprocessing((4, 4), scale=1.0, channels="BGR", mean=(100.0, 50.0, 10.0), std=(1.0, 2.0, 4.0))
    assert prepare(flat(30, 60, 120), p)[0][:, 0, 0].tolist() == [20.0, 5.0, 5.0]  # 120-100, (60-50)/2, (30-10)/4


def test_grey_models_get_one_channel() -> None:
    p = Preprocessing((4, 6), channels="L", mean=(0.5,), std=(0.5,))
    x, _ = prepare(flat(255, 255, 255), p)
    assert x.shape == (1, 4, 6)
    assert x.unique().tolist() == [1.0]


def test_padding_is_the_mean_in_rgb_whatever_the_model_reads() -> None:
    p = Preprocessing((8, 8), "pad", mean=(20.0, 40.0, 60.0), std=(1.0, 1.0, 1.0), scale=1.0, channels="BGR")
    x, _ = prepare(flat(0, 0, 0), p)  # 10 x 20 in 8 x 8: 4 rows of photo, 2 of padding above and below
    assert x[:, 0].unique().tolist() == [0.0]  # the mean itself
    assert x[:, 4, 4].tolist() == [-20.0, -40.0, -60.0]


def test_a_fill_colour_of_ones_own() -> None:
    x, _ = prepare(flat(0, 0, 0), Preprocessing((8, 8), "pad", fill=(255, 0, 51), **UNIT))
    assert [round(v, 4) for v in x[:, 0, 0].tolist()] == [1.0, 0.0, 0.2]
    grey, _ = prepare(
        flat(0, 0, 0), Preprocessing((8, 8), "pad", fill=(90, 60, 30), channels="L", mean=(0.0,), std=(1.0,))
    )
    assert grey[0, 0, 0].item() == pytest.approx(60 / 255)


def test_black_is_what_a_black_photo_becomes() -> None:
    for p in (
        Preprocessing((4, 4)),
        Preprocessing((4, 4), channels="L", mean=(0.4,), std=(0.2,)),
        Preprocessing((4, 4), channels="BGR", scale=1.0, mean=(104.0, 117.0, 124.0), std=(1.0, 1.0, 1.0)),
    ):
        torch.testing.assert_close(prepare(flat(0, 0, 0), p)[0], black(p).expand(-1, 4, 4))
    assert black(Preprocessing(mean=(0.5, 0.5, 0.2), std=(0.5, 0.25, 0.1))).flatten().tolist() == [-1.0, -2.0, -2.0]


@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_denormalise_gives_the_colours_back(channels: str, scale: float) -> None:
    count = 1 if channels == "L" else 3
    mean = tuple(m * 255 * scale for m in (0.4, 0.5, 0.6)[:count])
    p = Preprocessing((4, 4), scale=scale, channels=channels, mean=mean, std=(0.2, 0.3, 0.4)[:count])  # type: ignore[arg-type]
    colour = (90, 90, 90) if channels == "L" else (255, 102, 51)
    rgb = denormalise(prepare(flat(*colour), p)[0][None], p)
    assert rgb.shape == (1, 3, 4, 4)
    torch.testing.assert_close(rgb[0, :, 2, 2], torch.tensor(colour) / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("settings", "error", "words"), [
    ({"resize": "crpo"}, UnknownName, "'crpo'.*crop"),
    ({"interpolation": "cubic"}, UnknownName, "bicubic"),
    ({"channels": "RBG"}, UnknownName, "RGB"),
    ({"size": (0, 5)}, BadValue, "at least 1"),
    ({"shorter_side": 0}, BadValue, "at least 1"),
    ({"mean": (0.5,)}, BadValue, "3 numbers each"),
    ({"channels": "L"}, BadValue, "1 number each"),
    ({"std": (0.0, 1.0, 1.0)}, BadValue, "standard deviation of 0"),
    ({"mean": (float("nan"), 1.0, 1.0)}, BadValue, "finite"),
    ({"scale": 0.0}, BadValue, "positive scale"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Preprocessing(**settings)  # type: ignore[arg-type]


def test_a_strip_too_long_to_enlarge_is_refused_but_may_be_squashed() -> None:
    strip = read_photo(np.zeros((1, 9000, 3), np.uint8))
    with pytest.raises(BadPhoto, match=r"9000 x 1.*squash"):
        prepare(strip, Preprocessing())
    assert prepare(strip, Preprocessing(resize="squash"))[0].shape == (3, 224, 224)
    assert prepare(strip, Preprocessing(resize="pad"))[0].shape == (3, 224, 224)
