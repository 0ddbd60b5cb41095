"""Grids: every picture in its place, every word inside its column."""

import numpy as np
import pytest
from PIL import Image

from heatlens.images import colour_bar, grid, panel
from heatlens.images.drawing.text import font, shorten, wrap
from heatlens.words.errors import BadValue

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
LONG = "Xoloitzcuintli, Mexican hairless, and every other synonym that WordNet knows of this very dog " * 3


def box_of(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of what has exactly this colour."""
    where = np.argwhere((np.asarray(picture) == colour).all(2))
    assert len(where)
    (y0, x0), (y1, x1) = where.min(0), where.max(0)
    return x0, y0, x1 + 1, y1 + 1


def inked(picture: Image.Image) -> np.ndarray:
    """Where words stand: neither white nor strongly coloured."""
    pixels = np.asarray(picture).astype(int)
    return (pixels.max(2) < 200) & (np.ptp(pixels, axis=2) < 20)


def plain(colour: tuple[int, int, int], width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


@pytest.mark.parametrize("size", [(64, 48), (448, 336), (6000, 4500)])
def test_small_photos_are_enlarged_and_huge_ones_reduced(size: tuple[int, int]) -> None:
    x0, y0, x1, y1 = box_of(panel(plain(RED, *size), "Tigerkatze"), RED)
    assert (x1 - x0, y1 - y0) == (448, 336)


def test_a_title_stands_above_its_picture() -> None:
    picture = panel(plain(RED, 100, 80), "tiger cat", "0.87", side=300)
    x0, y0, x1, _ = box_of(picture, RED)
    rows, columns = np.nonzero(inked(picture))
    assert rows.max() < y0
    assert columns.min() >= x0 - 2
    assert columns.max() < x1
    without = panel(plain(RED, 100, 80), "", side=300)
    assert not inked(without).any()
    assert box_of(without, RED)[1] < y0


def test_rows_and_columns_in_reading_order() -> None:
    colours = [RED, GREEN, BLUE, (255, 255, 0), (0, 255, 255)]
    picture = grid([(plain(c, 60, 60), "x") for c in colours], columns=2, side=100)
    boxes = [box_of(picture, c) for c in colours]
    assert [b[0] for b in boxes] == [boxes[0][0], boxes[1][0]] * 2 + [boxes[0][0]]
    assert boxes[0][2] < boxes[1][0]
    assert [b[1] for b in boxes] == [boxes[0][1]] * 2 + [boxes[2][1]] * 2 + [boxes[4][1]]
    assert boxes[0][3] < boxes[2][1]
    assert boxes[2][3] < boxes[4][1]


@pytest.mark.parametrize(("count", "across"), [(1, 1), (2, 2), (4, 4), (5, 3), (9, 3), (16, 4), (60, 6)])
def test_columns_by_default(count: int, across: int) -> None:
    picture = grid([(plain(RED, 50, 50), "a")] * count, side=100)
    red = (np.asarray(picture) == RED).all(2)
    row = red[np.nonzero(red.any(1))[0][0]]
    assert (np.diff(row.astype(int)) == 1).sum() == across


@pytest.mark.parametrize("side", [64, 160, 448, 1200])
@pytest.mark.parametrize("shape", [(100, 100), (50, 200), (200, 50)])
def test_long_words_stay_in_their_column_and_above_their_picture(side: int, shape: tuple[int, int]) -> None:
    picture = grid([(plain(RED, *shape), LONG, LONG), (plain(GREEN, *shape), "", "")], side=side)
    rows, columns = np.nonzero(inked(picture))
    assert len(rows)
    assert columns.max() < box_of(picture, GREEN)[0]
    assert rows.max() < box_of(picture, RED)[1]


def test_words_are_at_least_legibly_large() -> None:
    picture = grid([(plain(RED, 48, 48), "H")], side=48)
    rows, _ = np.nonzero(inked(picture))
    assert np.ptp(rows) + 1 >= 9  # the height of a capital in pixels


def test_pictures_of_different_shapes_share_their_upper_edge() -> None:
    picture = grid([(plain(RED, 100, 50), "one"), (plain(GREEN, 50, 100), "two " * 40, "three")], side=200)
    assert box_of(picture, RED)[1] == box_of(picture, GREEN)[1]


def test_heading_and_colour_bar_frame_the_grid() -> None:
    cells = [(plain(RED, 90, 60), "")]
    bare = grid(cells)
    full = grid(cells, heading="chelsea", bar=plain(BLUE, 200, 20))
    assert not inked(bare).any()
    rows, _ = np.nonzero(inked(full))
    assert rows.max() < box_of(full, RED)[1]
    assert box_of(full, BLUE)[1] > box_of(full, RED)[3]
    assert box_of(full, BLUE)[0] == box_of(full, RED)[0]


def test_a_bar_wider_than_the_grid_widens_the_page() -> None:
    picture = grid([(plain(RED, 50, 50), "")], side=64, bar=plain(BLUE, 300, 20))
    assert box_of(picture, BLUE)[2] - box_of(picture, BLUE)[0] == 300


def test_grey_and_transparent_pictures_are_accepted() -> None:
    assert grid([(Image.new("L", (9, 9)), "grey"), (Image.new("RGBA", (9, 9)), "clear")]).mode == "RGB"


def test_what_cannot_be_a_grid() -> None:
    for cells, columns, side in (
        ([], None, 448),
        ([(plain(RED, 9, 9), "a")], 0, 448),
        ([(plain(RED, 9, 9), "a")], 1, 20),
    ):
        with pytest.raises(BadValue, match="Expected pictures"):
            grid(cells, columns=columns, side=side)


def test_the_bar_runs_through_the_colours_with_zero_in_the_middle_if_signed() -> None:
    bar = np.asarray(colour_bar()).astype(int)
    length = 269  # 0.6 x 448
    assert bar.shape[1] == length
    assert bar[5, 3].sum() < 60
    np.testing.assert_allclose(bar[5, length - 4], [252, 254, 164], atol=12)
    signed = np.asarray(colour_bar(signed=True)).astype(int)
    assert signed[5, 3, 2] > signed[5, 3, 0]
    assert signed[5, length // 2].min() > 240
    assert signed[5, length - 4, 0] > signed[5, length - 4, 2]


def test_the_bar_has_ticks_below_and_its_label_beside() -> None:
    bar = colour_bar(cmap="Reds", label="evidence", ticks=("low", "high"))
    below = inked(bar)[14:, :269].any(0)
    assert below[:40].any()
    assert not below[100:170].any()
    assert below[-40:].any()
    assert inked(bar)[:, 275:].any()


def test_wrapping_keeps_every_word_or_says_that_it_did_not() -> None:
    face = font(16)
    assert wrap("tiger cat", face, 1000) == ["tiger cat"]
    assert wrap("", face, 100) == []
    assert wrap("a\tb\nc", face, 1000) == ["a b c"]
    lines = wrap("golden retriever playing", face, 130, lines=3)
    assert " ".join(lines) == "golden retriever playing"
    assert len(lines) == 2
    for width in (40, 60, 150):
        short = wrap(LONG, face, width)
        assert len(short) == 2
        assert short[-1].endswith("…")
        assert all(face.getlength(line) <= width for line in short)
    assert "".join(wrap("Donaudampfschifffahrt", face, 100, lines=9)) == "Donaudampfschifffahrt"


def test_shortening_ends_on_a_letter() -> None:
    face = font(16)
    assert shorten("tiger cat", face, 500) == "tiger cat"
    text = shorten("tabby, tabby cat", face, face.getlength("tabby, ") + face.getlength("…"))
    assert text == "tabby…"


def test_letters_of_many_scripts_have_shapes() -> None:
    face = font(20)
    missing = bytes(face.getmask("\uffff"))
    for letter in "äßéñłЖπאع·—×−…":
        assert bytes(face.getmask(letter)) != missing
