"""Heat on a photo: exact blending, honest borders, marks where they belong."""

import numpy as np
import pytest
import torch
from PIL import Image

from heatlens.images import overlay
from heatlens.words.errors import BadValue, NotFinite, UnknownName

RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 256, (60, 80, 3), np.uint8)
HOT = np.array([252, 254, 164])


def array(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def grey(height: int, width: int, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_a_uniform_blend_is_the_weighted_mean_of_photo_and_colour() -> None:
    heat = np.ones((60, 80))
    for alpha in (0.0, 0.3, 0.5, 1.0):
        expected = PHOTO * (1 - alpha) + HOT * alpha
        np.testing.assert_allclose(array(overlay(PHOTO, heat, alpha=alpha, blend="uniform")), expected, atol=2.5)


def test_white_and_black_photos_do_not_wrap() -> None:
    ramp = np.linspace(0, 1, 80)[None].repeat(60, 0)
    for blend in ("heat", "uniform"):
        light = array(overlay(grey(60, 80, 255), ramp, cmap="gray", blend=blend))
        dark = array(overlay(grey(60, 80, 0), ramp, cmap="gray", blend=blend))
        assert light.min() >= 255 * (1 - 0.65) - 2
        assert dark.max() <= 255 * 0.65 + 2
        assert (np.diff(dark[0, :, 0]) >= 0).all()


def test_cold_places_stay_photo_and_hot_ones_get_the_colour() -> None:
    heat = torch.zeros(60, 80)
    heat[10, 20] = 3.0
    picture = array(overlay(PHOTO, heat, alpha=1.0))
    np.testing.assert_allclose(picture[10, 20], HOT, atol=2)
    picture[10, 20] = PHOTO[10, 20]
    np.testing.assert_array_equal(picture, PHOTO)


def test_of_signed_maps_the_middle_stays_photo_and_the_ends_are_red_and_blue() -> None:
    heat = np.zeros((60, 80))
    heat[5, 5], heat[6, 6] = 1.0, -1.0
    picture = array(overlay(grey(60, 80), heat, alpha=1.0))
    assert picture[5, 5, 0] > picture[5, 5, 2]
    assert picture[6, 6, 2] > picture[6, 6, 0]
    assert picture[30, 30].tolist() == [128, 128, 128]


def test_a_shared_top_makes_pictures_comparable() -> None:
    weak = array(overlay(grey(4, 4), np.full((4, 4), 0.1), top=1.0))
    strong = array(overlay(grey(4, 4), np.full((4, 4), 0.1)))
    assert np.abs(weak - 128).max() < np.abs(strong - 128).max()


def test_the_photo_is_not_modified_and_may_be_read_only() -> None:
    photo = PHOTO.copy()
    photo.flags.writeable = False
    overlay(photo, np.ones((60, 80)), seen=np.zeros((60, 80), bool), contour=0.5, peak=(3, 3))
    np.testing.assert_array_equal(photo, PHOTO)


def test_unseen_borders_are_grey_and_hatched_and_the_rest_is_untouched() -> None:
    mask = np.zeros((60, 80), bool)
    mask[:, 20:60] = True
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 0] = 200
    picture = array(overlay(red, np.zeros((60, 80)), seen=torch.from_numpy(mask)))
    border = np.concatenate([picture[:, :18], picture[:, 62:]], axis=1)
    assert np.ptp(border, axis=2).max() <= 8  # grey
    assert len(np.unique(border[..., 0])) >= 3  # hatched
    assert (picture[:, 22:58] == [200, 0, 0]).all()
    assert (picture[30, [19, 60]] == 255).all()  # a line where seeing begins
    whole = array(overlay(red, np.zeros((60, 80)), seen=np.ones((60, 80), bool)))
    assert (whole == [200, 0, 0]).all()


def test_a_photo_of_which_nothing_was_seen() -> None:
    picture = array(overlay(PHOTO, np.zeros((60, 80)), seen=np.zeros((60, 80), bool)))
    assert np.ptp(picture, axis=2).max() <= 8


def test_a_contour_runs_where_the_heat_crosses_the_level() -> None:
    y, x = np.mgrid[:200, :200]
    distance = np.hypot(x - 90, y - 110)
    heat = np.clip(1 - distance / 100, 0, 1)  # the level 0.5 is a circle of radius 50
    picture = array(overlay(grey(200, 200, 90), heat, alpha=0.0, contour=0.5))
    drawn = np.abs(picture - 90).max(2) > 40
    assert drawn.sum() > 300  # 2 pi 50 = 314 pixels long
    assert np.abs(distance[drawn] - 50).max() < 3.5
    np.testing.assert_array_equal(array(overlay(grey(200, 200, 90), heat, alpha=0.0, contour=np.float32(0.5))), picture)
    two = array(overlay(grey(200, 200, 90), heat, alpha=0.0, contour=[0.5, 0.2]))
    far = np.abs(two - 90).max(2) > 40
    assert np.abs(distance[far & ~drawn] - 80).max() < 4


def test_contours_of_large_photos_run_as_exactly() -> None:
    y, x = np.mgrid[:2200, :2400]
    heat = np.clip(1 - np.hypot(x - 1190, y - 1010) / 1000, 0, 1)
    picture = np.asarray(overlay(grey(2200, 2400, 90), heat, alpha=0.0, contour=0.5))
    line = np.nonzero(picture[1010, :, 0] > 200)[0]  # the circle of radius 500, crossed twice in white
    np.testing.assert_allclose([line[line < 1190].mean(), line[line > 1190].mean()], [690, 1690], atol=1.5)


def test_contours_close_along_the_edge_and_may_be_absent() -> None:
    picture = array(overlay(grey(50, 50, 90), np.ones((50, 50)), alpha=0.0, contour=0.5))
    assert (picture[0, 5:45] != 90).any(1).all()
    nothing = array(overlay(grey(50, 50, 90), np.zeros((50, 50)), alpha=0.0, contour=0.5))
    assert (nothing == 90).all()


@pytest.mark.parametrize("level", [0, 255])
def test_the_ring_is_around_the_peak_and_visible_on_black_and_on_white(level: int) -> None:
    picture = array(overlay(grey(120, 160, level), np.zeros((120, 160)), peak=(100, 30)))
    changed = np.argwhere(np.abs(picture - level).max(2) > 100)
    assert len(changed) > 10
    np.testing.assert_allclose(changed.mean(0), [30, 100], atol=0.3)
    assert picture[30, 100].tolist() == [level] * 3  # the peak itself stays visible


@pytest.mark.parametrize("peak", [(0, 0), (159, 119), (-50, 400), (159.4, 0)])
def test_rings_at_and_beyond_the_edge(peak: tuple[float, float]) -> None:
    assert overlay(grey(120, 160), np.zeros((120, 160)), peak=peak).size == (160, 120)


@pytest.mark.parametrize("side", [400, 40])
def test_drawn_at_another_size_everything_stays_in_its_place(side: int) -> None:
    heat, mask = np.zeros((50, 100)), np.zeros((50, 100), bool)
    heat[10:20, 60:80], mask[:, 50:] = 1.0, True
    picture = overlay(grey(50, 100), heat, alpha=1.0, seen=mask, side=side)
    assert picture.size == (side, side // 2)
    pixels, scale = array(picture), side / 100
    np.testing.assert_allclose(pixels[round(15 * scale), round(70 * scale)], HOT, atol=6)
    assert np.ptp(pixels[round(15 * scale), round(20 * scale)]) < 9
    ringed = array(overlay(grey(50, 100), np.zeros((50, 100)), peak=(70, 15), side=400))
    changed = np.argwhere(np.abs(ringed - 128).max(2) > 60)
    np.testing.assert_allclose(changed.mean(0), [61.5, 281.5], atol=0.6)  # (15.5, 70.5) x 4 in pixel indices


def test_thin_photos_and_single_pixels() -> None:
    for shape in ((1, 1), (1, 50), (50, 1)):
        picture = overlay(grey(*shape), np.ones(shape), seen=np.ones(shape, bool), contour=0.5, peak=(0, 0))
        assert picture.size == shape[::-1]
        assert max(overlay(grey(*shape), np.ones(shape), side=64).size) == 64


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"map": np.zeros((60, 81))}, BadValue, r"\(60, 81\).*\(60, 80\).*to_photo"),
    ({"map": np.full((60, 80), np.nan)}, NotFinite, "NaN"),
    ({"pixels": PHOTO / 255}, BadValue, "float64.*uint8"),
    ({"pixels": PHOTO[..., 0]}, BadValue, "read_photo"),
    ({"seen": np.ones((6, 8), bool)}, BadValue, "seen area"),
    ({"alpha": 1.5}, BadValue, "alpha is 1.5"),
    ({"blend": "heta"}, UnknownName, "'heta'.*heat"),
    ({"cmap": "jte"}, UnknownName, "jet"),
    ({"contour": 0}, BadValue, "contour at 0"),
    ({"contour": [0.5, 2]}, BadValue, "contour at 2"),
    ({"side": 0}, BadValue, "at least 1"),
])  # fmt: skip
def test_what_cannot_be_drawn(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        overlay(**{"pixels": PHOTO, "map": np.zeros((60, 80)), **change})  # type: ignore[arg-type]
