from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from torch import Tensor

from heatlens.recipes.averages import AVERAGES, Average, Crops, Flips, Noise, Path, Scales, find_average
from heatlens.words.errors import BadValue, HeatlensError, UnknownName
from heatlens.words.notation import noisy

SIZES = [(6,), (4, 6), (2, 4, 6)]


def picture(*size: int) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("average", [Flips(), Noise(), Path(), Scales(factors=(0.5, 1.0, 2.0))], ids=str)
def test_a_map_that_follows_the_picture_comes_back_in_place(average: Average, size: tuple[int, ...]) -> None:
    """The first channel of a linear picture, taken for the map: every version's map must lie where the picture does."""
    ramp = torch.arange(size[-1], dtype=torch.float64).expand(2, 3, *size) + 10
    shown = 0
    for view, back in average.views(ramp, torch.zeros_like(ramp)):
        maps = back(view[:, 0])
        assert maps.shape == (2, *size)
        together = torch.stack([maps[0].flatten(), ramp[0, 0].flatten()])
        assert torch.corrcoef(together)[0, 1] > (0.5 if isinstance(average, Noise) else 0.9)
        shown += 1
    assert shown >= 3


@pytest.mark.parametrize("size", SIZES)
def test_flips_are_six_views(size: tuple[int, ...]) -> None:
    x = picture(*size)
    views = [(view, back(view[:, 0])) for view, back in Flips().views(x, torch.zeros_like(x))]
    expected = [factor * version for factor in (0.9, 1.0, 1.1) for version in (x, x.flip(-1))]
    assert len(views) == 6
    for (view, back), wanted in zip(views, expected, strict=True):
        torch.testing.assert_close(view, wanted)
        # each map is back in place whatever its brightness
        torch.testing.assert_close(back / back.abs().max(), x[:, 0] / x[:, 0].abs().max())


def test_noise_is_the_notations_noise_and_maps_stay() -> None:
    x = picture(4, 6)
    views = list(Noise(samples=3, sigma=0.3, seed=4).views(x, torch.zeros_like(x)))
    wanted = list(noisy(x, samples=3, sigma=0.3, seed=4))
    assert len(views) == 3
    for (view, back), expected in zip(views, wanted, strict=True):
        torch.testing.assert_close(view, expected)
        torch.testing.assert_close(back(view[:, 0]), view[:, 0])


def test_a_path_goes_from_black_to_the_picture() -> None:
    x, black = picture(4, 6), torch.full((2, 3, 4, 6), -2.0, dtype=torch.float64)
    views = [view for view, _ in Path(steps=4).views(x, black)]
    assert len(views) == 4
    torch.testing.assert_close(views[0], black + (x - black) / 4)
    torch.testing.assert_close(views[-1], x)


@pytest.mark.parametrize("size", SIZES)
def test_scales_resize_the_picture_and_maps_return_at_its_size(size: tuple[int, ...]) -> None:
    x = picture(*size)
    sizes = []
    for view, back in Scales().views(x, torch.zeros_like(x)):
        sizes.append(tuple(view.shape[2:]))
        layer = view[:, 0, ..., ::2]  # maps come at a layer's size
        assert back(layer).shape == (2, *size)
    assert sizes == [tuple(round(factor * s) for s in size) for factor in (1.0, 1.5, 2.0)]


def test_scale_one_is_the_picture_itself() -> None:
    x = picture(4, 6)
    ((view, back),) = Scales(factors=(1.0,)).views(x, torch.zeros_like(x))
    assert torch.equal(view, x)
    assert torch.equal(back(x[:, 0]), x[:, 0])


def test_ten_crops_are_the_releases() -> None:
    """By plain loops: four corners and the centre of 8x9, each 5x4, and their mirror images; maps pasted back, the
    mirrored ones turned, the signs dropped, everything summed (here: the mean of ten)."""
    x = picture(8, 9)
    views = list(Crops(size=(5, 4), absolute=True).views(x, torch.zeros_like(x)))
    begins = [(0, 0), (0, 5), (3, 0), (3, 5), (2, 3)]
    total, expected = torch.zeros(2, 8, 9, dtype=torch.float64), torch.zeros(2, 8, 9, dtype=torch.float64)
    for k, (top, left) in enumerate(begins):
        for mirrored in (False, True):
            crop = x[:, :, top : top + 5, left : left + 4]
            view, back = views[2 * k + mirrored]
            torch.testing.assert_close(view, crop.flip(-1) if mirrored else crop)
            total += back(view[:, 1] + (0.25 if mirrored else 0))
            for i in range(5):
                for j in range(4):
                    expected[:, top + i, left + j] += (crop[:, 1, i, j] + (0.25 if mirrored else 0)).abs()
    assert len(views) == 10
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(Crops(size=(5, 4)).centre(x), x[:, :, 2:7, 3:7])


def test_even_crops_divide_by_how_many_saw_a_place() -> None:
    x = torch.ones(1, 1, 8, 9, dtype=torch.float64)
    for average in (Crops(size=(5, 6), even=True), Crops(even=True)):
        maps = torch.stack([back(view[:, 0]) for view, back in average.views(x, x)])
        torch.testing.assert_close(maps.mean(0), torch.ones(1, 8, 9, dtype=torch.float64))


def test_cubic_maps_are_keys_cubic() -> None:
    """Far from the border, the cubic convolution with a = -1/2 of a single one, by hand: phi(1/4) = 0.8671875."""
    (_, back), *_ = Crops(size=(16, 16), cubic=True).views(torch.zeros(1, 1, 16, 16), torch.zeros(1))
    spike = torch.zeros(1, 8, 8)
    spike[0, 4, 4] = 1
    assert float(back(spike)[0, 8, 8]) == pytest.approx(0.8671875**2, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_crops_together_give_back_a_map_that_follows_the_picture(size: tuple[int, ...]) -> None:
    ramp = torch.arange(size[-1], dtype=torch.float64).expand(2, 3, *size) + 10
    maps = torch.stack([back(view[:, 0]) for view, back in Crops(even=True).views(ramp, ramp)])
    assert len(maps) == 2 * (2 ** len(size) + 1)
    assert torch.corrcoef(torch.stack([maps.mean(0)[0].flatten(), ramp[0, 0].flatten()]))[0, 1] > 0.9


def test_crops_must_fit() -> None:
    with pytest.raises(BadValue, match="fit into the picture"):
        list(Crops(size=(9, 9)).views(torch.zeros(1, 3, 8, 8), torch.zeros(1)))


def test_which_averages_scale_their_maps() -> None:
    assert {name: kind().scaled for name, kind in AVERAGES.items()} == {
        "flips": True,
        "noise": False,
        "path": False,
        "scales": True,
        "crops": False,
    }


@pytest.mark.parametrize("kind", AVERAGES.values(), ids=AVERAGES)
def test_an_average_is_a_frozen_value(kind: type) -> None:
    assert isinstance(kind(), Average)
    assert kind() == kind()
    assert hash(kind()) == hash(kind())
    with pytest.raises(FrozenInstanceError):
        kind().steps = 3


@pytest.mark.parametrize(
    ("spec", "average"),
    [
        (None, None),
        ("flips", Flips()),
        ("Noise", Noise()),
        ("noise:samples=3,sigma=0.4,seed=5", Noise(3, 0.4, 5)),
        ("noise: samples = 3", Noise(samples=3)),
        ("path:steps=2", Path(2)),
        ("scales:factors=1+1.5+2", Scales((1.0, 1.5, 2.0))),
        ("scales:factors=1e+0+5e-1", Scales((1.0, 0.5))),
        ("flips:factors=1", Flips((1.0,))),
        ("crops:size=4+6,absolute=true", Crops(size=(4, 6), absolute=True)),
        (Path(3), Path(3)),
    ],
)
def test_averages_are_read_from_words(spec: str | Average | None, average: Average | None) -> None:
    assert find_average(spec) == average


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        (3, BadValue, "average 3. Expected one of crops, flips, noise, path, scales, or an average."),
        ("flop", UnknownName, "No average is called 'flop'. Close: flips."),
        ("noise:smples=3", UnknownName, "average noise has no setting 'smples'. Close: samples."),
        ("noise:scaled=true", UnknownName, "average noise has no setting 'scaled'"),
        ("noise:samples=three", BadValue, "setting samples='three'. Expected a value of type int."),
        ("noise:samples=0", BadValue, "setting samples=0. Expected at least 1."),
        ("noise:sigma=-1", BadValue, "setting sigma=-1.0. Expected at least 0."),
        ("noise:samples", BadValue, "'samples' in 'noise:samples'. Expected setting=value."),
        ("path:steps=0", BadValue, "setting steps=0. Expected at least 1."),
        ("scales:factors=", BadValue, "setting factors=''. Expected a value of type float."),
        ("crops:size=0", BadValue, "setting size=0. Expected at least 1."),
        ("scales:factors=1+0", BadValue, "Expected sizes above 0."),
        ("flips:factors=nan", BadValue, "Expected one or more finite numbers."),
        ("scales:factors=1+inf", BadValue, "Expected one or more finite numbers."),
    ],
)
def test_what_cannot_be_read_says_why(spec: str, kind: type[HeatlensError], message: str) -> None:
    with pytest.raises(kind) as caught:
        find_average(spec)
    assert message in str(caught.value)


def test_scales_may_look_into_the_mirror_at_every_size() -> None:
    images = torch.rand(1, 3, 6, 8)
    found = list(find_average("scales:factors=1+2,mirrored=yes").views(images, images))
    assert [tuple(view.shape[2:]) for view, _ in found] == [(6, 8), (6, 8), (12, 16), (12, 16)]
    torch.testing.assert_close(found[1][0], images.flip(-1))
    left = torch.zeros(1, 12, 16)
    left[:, :, 0:2] = 1
    back = found[3][1](left)
    assert back.shape == (1, 6, 8)
    assert float(back[0, 0, -1]) == 1
    assert float(back[0, 0, 0]) == 0


@pytest.mark.parametrize(
    "average", [Flips(), Noise(samples=3), Path(steps=5), Scales((1.0, 2.0), True), Crops()], ids=str
)
def test_the_passes_of_the_views(average: Any) -> None:
    """A view costs by its area."""
    x = picture(14, 14)
    areas = [view[0, 0].numel() / x[0, 0].numel() for view, _ in average.views(x, torch.zeros_like(x))]
    assert average.passes == pytest.approx(sum(areas))
