"""Colours say what the numbers say: nothing wraps, zero is in the middle of what is signed."""

import matplotlib
import numpy as np
import pytest
import torch

from heatlens.images import colourise
from heatlens.words.errors import BadValue, NotFinite, UnknownName

INFERNO_LOW, INFERNO_HIGH = [0, 0, 3], [252, 254, 164]  # the ends of matplotlib's table, as 8-bit numbers
INFERNO_MIDDLE = [188, 55, 84]


def at(pixels: np.ndarray, x: int) -> list[int]:
    return pixels[0, x].tolist()


def test_the_default_runs_from_black_over_red_to_yellow() -> None:
    pixels = colourise(np.array([[0.0, 2.0, 4.0]]))
    assert pixels.shape == (1, 3, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose([at(pixels, 0), at(pixels, 1), at(pixels, 2)],
                               [INFERNO_LOW, INFERNO_MIDDLE, INFERNO_HIGH], atol=2)  # fmt: skip


@pytest.mark.parametrize("name", ["inferno", "magma", "viridis", "cividis", "jet", "turbo", "RdBu_r", "tab10"])
def test_every_matplotlib_map_as_matplotlib_draws_it(name: str) -> None:
    values = np.linspace(0, 1, 333, dtype=np.float32)[None]
    expected = matplotlib.colormaps[name](values, bytes=True)[..., :3]
    np.testing.assert_array_equal(colourise(values, cmap=name), expected)


def test_the_default_gets_lighter_step_by_step() -> None:
    lightness = colourise(np.linspace(0, 1, 64)[None])[0] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_out_of_range_is_clipped_and_never_wraps() -> None:
    pixels = colourise(torch.tensor([[-5.0, 0.0, 1.0, 1.5, 300.0]]), signed=False, top=1.0)
    assert at(pixels, 0) == at(pixels, 1)
    assert at(pixels, 2) == at(pixels, 3) == at(pixels, 4)
    np.testing.assert_allclose(at(pixels, 4), INFERNO_HIGH, atol=2)


def test_whole_numbers_do_not_wrap_either() -> None:
    pixels = colourise(np.array([[0, 128, 255]], np.uint8))
    np.testing.assert_allclose([at(pixels, 1), at(pixels, 2)], [INFERNO_MIDDLE, INFERNO_HIGH], atol=3)


def test_zero_is_in_the_middle_of_signed_maps_and_both_ends_are_equally_far() -> None:
    pixels = colourise(np.array([[-1.0, 0.0, 4.0, -4.0]]))
    red, white, strong, opposite = (np.array(at(pixels, x), int) for x in (2, 1, 2, 3))
    assert (white > 240).all()
    assert red[0] > red[2]
    assert strong[0] > strong[2]
    assert opposite[2] > opposite[0]
    assert at(pixels, 0)[2] > at(pixels, 0)[0]  # a quarter of the way to blue
    lone = colourise(np.array([[0.0, 3.0]]), signed=True)
    assert at(lone, 0) == at(pixels, 1)
    assert at(lone, 1) == at(pixels, 2)


def test_round_off_below_zero_does_not_make_a_map_signed() -> None:
    pixels = colourise(np.array([[-1e-9, 1.0]]))
    np.testing.assert_allclose(at(pixels, 0), INFERNO_LOW, atol=2)


def test_maps_without_contrast_are_defined() -> None:
    np.testing.assert_allclose(at(colourise(np.zeros((2, 2))), 0), INFERNO_LOW, atol=2)
    np.testing.assert_allclose(at(colourise(np.full((2, 2), 0.3)), 0), INFERNO_HIGH, atol=2)
    assert min(at(colourise(np.zeros((2, 2)), signed=True), 0)) > 240
    np.testing.assert_allclose(at(colourise(np.full((2, 2), -1.0), signed=False), 0), INFERNO_LOW, atol=2)


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1e8, 1e30])
def test_the_size_of_the_numbers_does_not_matter(size: float) -> None:
    values = np.array([[0.0, 0.25, 0.5, 1.0]], np.float32)
    np.testing.assert_array_equal(colourise(values * np.float32(size)), colourise(values))


def test_names_are_forgiving_and_unknown_ones_get_neighbours() -> None:
    np.testing.assert_array_equal(colourise(np.eye(3), cmap="Jet"), colourise(np.eye(3), cmap="jet"))
    with pytest.raises(UnknownName, match=r"colour map is called 'infernal'.*inferno"):
        colourise(np.eye(3), cmap="infernal")


def test_what_cannot_be_coloured() -> None:
    for value in (np.nan, np.inf):
        with pytest.raises(NotFinite, match="NaN or infinity"):
            colourise(np.array([[0.0, value]]))
    for shape in ((4,), (1, 4, 4), (0, 4)):
        with pytest.raises(BadValue, match=r"Expected \(height, width\)"):
            colourise(np.zeros(shape))
    for top in (0.0, -1.0, float("nan")):
        with pytest.raises(BadValue, match="positive"):
            colourise(np.eye(3), top=top)
