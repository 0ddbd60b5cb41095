"""Maps, points and boxes find their way back to the photo's own pixels."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heatlens.images import Photo, Placement, Preprocessing, prepare, read_photo, seen, to_photo
from heatlens.words.errors import BadValue

UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
WAYS = [
    Preprocessing((224, 224), "crop", 256, **UNIT),
    Preprocessing((224, 224), "crop", **UNIT),
    Preprocessing((160, 240), "crop", (180, 260), **UNIT),
    Preprocessing((97, 131), "crop", 140, **UNIT),
    Preprocessing((224, 224), "squash", **UNIT),
    Preprocessing((128, 192), "squash", (140, 200), **UNIT),
    Preprocessing((224, 224), "pad", **UNIT),
    Preprocessing((240, 130), "pad", **UNIT),
]
SHAPES = [(300, 451), (451, 300), (201, 202), (97, 353), (640, 480)]


def dotted(height: int, width: int, x: int, y: int) -> Photo:
    """A black photo with a bright 7 x 7 square centred on (x, y)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - 3 : y + 4, x - 3 : x + 4] = 255
    return read_photo(pixels)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.resize}-{way.size}-{way.shorter_side}")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("where", [(0.4, 0.61), (0.58, 0.37)])
def test_a_bright_dot_is_found_again(way: Preprocessing, shape: tuple[int, int], where: tuple[float, float]) -> None:
    height, width = shape
    x, y = round(where[0] * width), round(where[1] * height)
    inputs, placement = prepare(dotted(height, width, x, y), way)
    weights = inputs.mean(0) * (inputs.mean(0) > 0.3) if way.resize != "pad" else inputs.mean(0)
    total = weights.sum()
    u = float((weights.sum(0) * torch.arange(way.size[1])).sum() / total)  # centre of mass in the input
    v = float((weights.sum(1) * torch.arange(way.size[0])).sum() / total)
    back = placement.point_to_photo((u, v))
    assert math.dist(back, (x, y)) < 1
    there = placement.point_to_input((x, y))
    assert math.dist(there, (u, v)) < 1
    on_photo = to_photo(inputs.mean(0), placement)
    brightest = int(on_photo.argmax())
    assert math.dist((brightest % width, brightest // width), (x, y)) <= 5  # anywhere on the square of 7


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.resize}-{way.size}-{way.shorter_side}")
def test_a_ramp_read_in_the_input_says_where_it_came_from(way: Preprocessing) -> None:
    height, width = 180, 250
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(width), np.arange(height)[:, None]
    ramp[..., 2] = 255  # where the photo is, not the padding
    inputs, placement = prepare(read_photo(ramp), way)
    levels = inputs * 255
    for v in range(6, way.size[0], 23):
        for u in range(6, way.size[1], 19):
            if levels[2, v, u] == 255:
                x, y = placement.point_to_photo((u, v))
                if 2 < x < width - 3 and 2 < y < height - 3:  # PIL's filter is one-sided at the edge
                    assert abs(float(levels[0, v, u]) - x) < 0.6
                    assert abs(float(levels[1, v, u]) - y) < 0.6


def test_where_the_photo_is_the_input_the_map_is_torchs_interpolation() -> None:
    torch.manual_seed(0)
    for cells in ((7, 7), (14, 9), (1, 5), (1, 1), (60, 100), (300, 400)):
        maps = torch.rand(2, 3, *cells)
        expected = F.interpolate(maps, (60, 100), mode="bilinear", align_corners=False)
        torch.testing.assert_close(to_photo(maps, Placement.identity((60, 100))), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(301, 450), (90, 77)])
def test_a_squashed_photo_gets_torchs_interpolation_at_its_own_size(size: tuple[int, int]) -> None:
    photo = read_photo(np.zeros((*size, 3), np.uint8))
    _, placement = prepare(photo, Preprocessing((224, 160), "squash"))
    maps = torch.rand(2, 7, 5)
    expected = F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(to_photo(maps, placement), expected, atol=2e-6, rtol=0)


def test_cropped_and_padded_maps_by_hand_and_loop() -> None:
    torch.manual_seed(1)
    for photo_size, input_size, scale, offset in (
        ((6, 12), (6, 6), (1.0, 1.0), (0.0, -3.0)),
        ((5, 9), (8, 8), (0.8, 0.8), (2.0, 0.0)),
        ((7, 4), (10, 12), (2.5, 1.5), (-4.0, 3.0)),
    ):
        maps = torch.rand(3, 5, dtype=torch.float64)
        placement = Placement(photo_size, input_size, scale, offset)
        expected = torch.tensor([
            [looked_up(maps, (y + 0.5) * scale[0] + offset[0], (x + 0.5) * scale[1] + offset[1], input_size)
             for x in range(photo_size[1])]
            for y in range(photo_size[0])
        ])  # fmt: skip
        torch.testing.assert_close(to_photo(maps, placement), expected, atol=1e-6, rtol=0)
        expected_seen = torch.zeros(photo_size, dtype=torch.bool)
        for y in range(photo_size[0]):
            for x in range(photo_size[1]):
                v, u = (y + 0.5) * scale[0] + offset[0], (x + 0.5) * scale[1] + offset[1]
                expected_seen[y, x] = 0 <= v <= input_size[0] and 0 <= u <= input_size[1]
        assert torch.equal(seen(placement), expected_seen)


def looked_up(maps: Tensor, v: float, u: float, size: tuple[int, int]) -> float:
    """The map at input coordinates (v, u), as a person would look it up; 0 outside the input."""
    if not (0 <= v <= size[0] and 0 <= u <= size[1]):
        return 0.0
    rows, columns = maps.shape
    i = min(max(v * rows / size[0] - 0.5, 0), rows - 1)
    j = min(max(u * columns / size[1] - 0.5, 0), columns - 1)
    total = 0.0
    for row in range(rows):
        for column in range(columns):
            total += max(0, 1 - abs(row - i)) * max(0, 1 - abs(column - j)) * float(maps[row, column])
    return total


def test_a_centre_crop_hides_the_borders() -> None:
    _, placement = prepare(read_photo(np.zeros((100, 200, 3), np.uint8)), Preprocessing((50, 50), "crop"))
    columns = seen(placement).all(0)
    assert columns.tolist() == [False] * 50 + [True] * 100 + [False] * 50
    assert seen(placement).any(1).all()
    painted = to_photo(torch.ones(7, 7), placement)
    assert painted[:, columns].unique().tolist() == [1.0]
    assert painted[:, ~columns].unique().tolist() == [0.0]


def test_squash_and_pad_see_everything() -> None:
    for way in ("squash", "pad"):
        _, placement = prepare(read_photo(np.zeros((97, 201, 3), np.uint8)), Preprocessing((64, 64), way))  # type: ignore[arg-type]
        assert seen(placement).shape == (97, 201)
        assert seen(placement).all()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.resize}-{way.size}-{way.shorter_side}")
def test_points_and_boxes_return(way: Preprocessing) -> None:
    _, placement = prepare(read_photo(np.zeros((211, 307, 3), np.uint8)), way)
    for point in ((0.0, 0.0), (153.2, 100.7), (306.0, 210.0)):
        assert placement.point_to_photo(placement.point_to_input(point)) == pytest.approx(point)
    box = (120.0, 90.0, 180.0, 121.0)
    assert placement.box_to_photo(placement.box_to_input(box)) == pytest.approx(box)


def test_boxes_by_hand_are_cut_at_the_edges() -> None:
    crop = Placement((100, 200), (50, 50), (0.5, 0.5), (0.0, -25.0))
    assert crop.box_to_photo((0, 0, 50, 50)) == (50, 0, 150, 100)
    assert crop.box_to_input((0, 0, 200, 100)) == (0, 0, 50, 50)
    assert crop.box_to_input((60, 10, 80, 30)) == (5, 5, 15, 15)
    assert crop.point_to_input((50, 0)) == (-0.25, -0.25)  # the centre of pixel 50 lies a quarter inside
    assert crop.point_to_photo((0, 0)) == (50.5, 0.5)
    pad = Placement((100, 200), (50, 50), (0.25, 0.25), (12.0, 0.0))
    assert pad.box_to_photo((0, 0, 50, 50)) == (0, 0, 200, 100)
    assert pad.box_to_photo((0, 0, 50, 5)) == (0, 0, 200, 0)  # only padding: no area
    assert pad.box_to_photo((10, 13, 12, 17)) == (40, 4, 48, 20)


def test_maps_keep_their_leading_dimensions_gradients_and_become_float32() -> None:
    placement = Placement.identity((9, 8))
    assert to_photo(torch.rand(2, 3, 4, 5, dtype=torch.float64), placement).shape == (2, 3, 9, 8)
    for dtype in (torch.float64, torch.float16, torch.uint8, torch.bool):
        assert to_photo(torch.ones(4, 5, dtype=dtype), placement).dtype == torch.float32
    maps = torch.rand(4, 5, requires_grad=True)
    to_photo(maps, placement).sum().backward()
    assert maps.grad is not None
    assert float(maps.grad.sum()) == pytest.approx(72, rel=1e-5)  # every photo pixel is a weighted mean


def test_a_constant_map_stays_constant_to_the_last_bit() -> None:
    assert to_photo(torch.full((7, 7), 0.1), Placement.identity((50, 61))).unique().tolist() == [
        torch.tensor(0.1).item()
    ]


def test_unseen_pixels_are_zero_even_beside_nan() -> None:
    crop = Placement((4, 8), (4, 4), (1.0, 1.0), (0.0, -2.0))
    on_photo = to_photo(torch.full((2, 2), float("nan")), crop)
    assert on_photo[:, :2].tolist() == [[0.0, 0.0]] * 4
    assert on_photo[:, 2:6].isnan().all()


def test_a_map_without_a_plane_is_refused() -> None:
    for shape in ((7,), (0, 7), (2, 7, 0)):
        with pytest.raises(BadValue, match="Expected"):
            to_photo(torch.zeros(shape), Placement.identity((9, 8)))
