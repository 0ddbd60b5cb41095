"""Resizing without antialiasing is OpenCV's, up to one level of its fixed-point weights."""

import cv2
import numpy as np
import pytest

from heatlens.images import Preprocessing, prepare, read_photo


@pytest.mark.parametrize("size", [(40, 30), (90, 130)])
@pytest.mark.parametrize(("name", "flag"), [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)])
def test_resizing_is_opencvs(name: str, flag: int, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    units = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "scale": 1.0, "resize": "squash", "size": size}
    image, _ = prepare(read_photo(pixels), Preprocessing(interpolation=name, antialias=False, **units))
    expected = cv2.resize(pixels, size[::-1], interpolation=flag).astype(float)
    assert np.abs(image.numpy().transpose(1, 2, 0) - expected).max() <= 1
    grey = Preprocessing(**{**units, "mean": (0.0,), "std": (1.0,)}, channels="L", antialias=False)
    assert prepare(read_photo(pixels), grey)[0].shape == (1, *size)
