"""Boxes on pictures: where they are, in their colour, with their words."""

import numpy as np
import pytest
from PIL import Image

from heatlens.images import boxed, overlay

GREY = np.full((90, 120, 3), 128, np.uint8)


def changed(picture: Image.Image, before: Image.Image) -> np.ndarray:
    return (np.asarray(picture) != np.asarray(before)).any(-1)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = mask.nonzero()
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_box_on_an_overlay_is_around_its_pixels() -> None:
    heat = np.zeros((90, 120))
    plain, marked = overlay(GREY, heat), overlay(GREY, heat, boxes=[(20, 10, 70, 60)])
    found = changed(marked, plain)
    assert extent(found) == (19, 9, 71, 61)  # with a dark line around
    assert not found[14:56, 24:66].any()
    assert np.asarray(marked)[10, 40].tolist() == [255, 255, 255]


@pytest.mark.parametrize("side", [60, 480])
def test_boxes_grow_with_the_picture(side: int) -> None:
    heat = np.zeros((90, 120))
    plain, marked = overlay(GREY, heat, side=side), overlay(GREY, heat, side=side, boxes=[(20, 10, 70, 60)])
    expected = np.array([20, 10, 70, 60]) * side / 120 + (-1, -1, 1, 1)
    assert extent(changed(marked, plain)) == tuple(expected.astype(int))


def test_every_box_in_its_colour_with_its_words() -> None:
    photo = Image.fromarray(np.full((480, 640, 3), 128, np.uint8))
    red, blue = (200, 0, 0), (0, 0, 200)
    pixels = np.asarray(boxed(photo, [((40, 100, 200, 300), red, "a fox"), ((300, 5, 640, 480), blue, "")]))
    assert pixels.shape == (480, 640, 3)
    assert pixels[200, 40].tolist() == list(red)
    assert pixels[200, 300].tolist() == list(blue)
    assert extent((pixels == red).all(-1))[1] < 90  # words stand on the box
    assert (pixels[80:100, 40:100] == 255).all(-1).any()
    assert pixels[200, 100].tolist() == [128, 128, 128]


@pytest.mark.parametrize("box", [(0, 0, 640, 480), (0, 0, 2, 2), (630, 0, 640, 10), (10.3, 20.7, 10.4, 20.8)])
def test_words_stay_in_the_picture(box: tuple[float, float, float, float]) -> None:
    photo = Image.fromarray(np.full((480, 640, 3), 128, np.uint8))
    pixels = np.asarray(boxed(photo, [(box, (200, 0, 0), "a rather long name of a class " * 4)]))
    labelled = (pixels == (200, 0, 0)).all(-1)
    assert labelled.sum() > 1500
    assert extent(labelled)[0] >= 0


def test_small_photos_are_enlarged_and_large_ones_reduced() -> None:
    for side, drawn in ((40, 448), (600, 600), (2000, 1600)):
        assert boxed(Image.new("RGB", (side, side // 2)), []).size == (drawn, drawn // 2)
