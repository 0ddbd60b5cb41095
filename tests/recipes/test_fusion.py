import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heatlens.recipes.fusion import (
    FUSIONS,
    find_fusion,
    fused,
    maximum,
    mean,
    poly,
    product,
    stretched_mean,
    tanh_maximum,
)
from heatlens.words.errors import BadValue, HeatlensError, UnknownName


def fuse(name: str, maps: list[Tensor]) -> Tensor:
    """Maps of one size by the fusion of that name."""
    return fused(FUSIONS[name], maps, tuple(maps[0].shape[1:]))


HALF = torch.tensor([[[-4.0, 2.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
OTHER = torch.tensor([[[1.0, 5.0], [3.0, 3.0]], [[2.0, 0.0], [1.0, -8.0]]])


def test_mean_gives_every_layer_the_same_say_and_keeps_signs() -> None:
    expected = torch.tensor([[[-0.4, 0.75], [0.425, 0.3]], [[0.125, 0.0], [0.0625, -0.5]]])
    torch.testing.assert_close(mean([HALF, OTHER]), expected)


def test_the_stretched_mean_begins_at_the_lowest_value_of_every_layer() -> None:
    """On paper: ReLU(HALF) is 0 2 1 0, stretched 0 1 .5 0; OTHER 1 5 3 3 becomes 0 1 .5 .5; the mean 0 1 .5 .25."""
    whole = fuse("stretched_mean", [HALF, OTHER])
    torch.testing.assert_close(whole[0], torch.tensor([[0.0, 1.0], [0.5, 0.25]]))
    torch.testing.assert_close(whole[1], torch.tensor([[1.0, 0.0], [0.5, 0.0]]))


def test_layers_are_stretched_before_they_are_enlarged() -> None:
    deep, shallow = torch.tensor([[[2.0, 4.0]]]), torch.rand(1, 4, 8, generator=torch.Generator().manual_seed(0)) + 1
    low, high = shallow.min(), shallow.max()
    enlarged = F.interpolate(torch.tensor([[[[0.0, 1.0]]]]), (4, 8), mode="bilinear")[0]
    both = (enlarged + (shallow - low) / (high - low)) / 2
    expected = (both - both.min()) / (both.max() - both.min())
    torch.testing.assert_close(fused(stretched_mean, [shallow, deep], (4, 8)), expected)


def test_maximum_is_of_what_is_positive() -> None:
    expected = torch.tensor([[[0.2, 1.0], [0.6, 0.6]], [[1.0, 0.0], [0.5, 0.0]]])
    torch.testing.assert_close(maximum([HALF, OTHER]), expected)


def test_product_is_of_ranges() -> None:
    expected = torch.tensor([[[0.0, 1.0], [5 / 6 * 0.5, 4 / 6 * 0.5]], [[0.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(product([HALF, OTHER]), expected)


@pytest.mark.parametrize("gamma", [2.0, 0.5])
def test_tanh_maximum_lifts_before_the_maximum(gamma: float) -> None:
    lifted = [[[0.2, 1.0], [0.6, 0.6]], [[1.0, 0.0], [0.5, 0.0]]]
    expected = torch.tensor([[[math.tanh(gamma * v) for v in row] for row in m] for m in lifted])
    torch.testing.assert_close(tanh_maximum([HALF, OTHER], gamma=gamma), expected)


def test_gamma_is_two() -> None:
    torch.testing.assert_close(tanh_maximum([OTHER]), tanh_maximum([OTHER], gamma=2.0))


@pytest.mark.parametrize("name", [name for name in FUSIONS if name != "poly"])
def test_the_order_of_layers_does_not_matter(name: str) -> None:
    torch.testing.assert_close(fuse(name, [HALF, OTHER]), fuse(name, [OTHER, HALF]))


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 2, 3, 4)])
def test_any_rank_and_a_batch_is_its_images(name: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(shape, generator=generator) for _ in range(3)]
    whole = fuse(name, maps)
    alone = torch.cat([fuse(name, [m[i : i + 1] for m in maps]) for i in range(2)])
    torch.testing.assert_close(whole, alone)
    assert whole.shape == shape


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_units_of_a_layer_do_not_show(name: str, scale: float) -> None:
    torch.testing.assert_close(fuse(name, [scale * HALF, OTHER]), fuse(name, [HALF, OTHER]))


@pytest.mark.parametrize("name", FUSIONS)
def test_blank_layers_stay_blank_and_maps_are_not_modified(name: str) -> None:
    maps = [torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)]
    assert (FUSIONS[name](maps) == 0).all()
    before = HALF.clone()
    fuse(name, [HALF, OTHER])
    assert torch.equal(HALF, before)


def test_poly_goes_from_the_deepest_layer_to_the_shallowest() -> None:
    """By hand: D of 4 places to 2 is the mean of pairs, U the weights 1, 3/4 and 1/4."""
    deep, shallow = torch.tensor([[8.0, 4.0]]), torch.tensor([[1.0, 3.0, 0.0, 4.0]])
    neighbourhood = torch.tensor([[2.0, 2.0, 2.0, 2.0]])  # the pairs' means are 2 and 2
    enlarged = torch.tensor([[8.0, 7.0, 5.0, 4.0]])
    torch.testing.assert_close(poly([shallow, deep]), shallow / neighbourhood * enlarged)


def test_poly_of_even_maps_is_the_deepest_enlarged() -> None:
    """A constant B_l has LNorm(B_l) = 1."""
    deep = torch.tensor([[[1.0, 5.0], [-2.0, 3.0]]])
    for shape in ((6, 4), (5, 7)):
        fused = poly([torch.full((1, 9, 9), 0.3), torch.full((1, *shape), 7.0), deep])
        middle = F.interpolate(deep.clamp(min=0)[None], shape, mode="bilinear")
        torch.testing.assert_close(fused, F.interpolate(middle, (9, 9), mode="bilinear")[0])


def test_poly_of_one_layer_is_its_positive_part_and_poly_is_marked_native() -> None:
    torch.testing.assert_close(poly([HALF]), HALF.clamp(min=0))
    assert [name for name, fusion in FUSIONS.items() if getattr(fusion, "native", False)] == ["poly"]


def test_names_are_forgiving_and_functions_are_fusions() -> None:
    assert find_fusion("tanh-maximum") is tanh_maximum
    assert find_fusion("Mean") is mean

    def first(maps: list[Tensor]) -> Tensor:
        return maps[0]

    assert find_fusion(first) is first


def test_an_unknown_fusion_names_the_close_ones() -> None:
    with pytest.raises(UnknownName, match=r"No fusion is called 'maximal'. Close: .*maximum"):
        find_fusion("maximal")
    with pytest.raises(BadValue, match=r"fusion 3. Expected one of mean, maximum, product, geometric, tanh"):
        find_fusion(3)


def test_weights_say_how_much_each_map_counts() -> None:
    a, b = torch.tensor([[[1.0, 4.0], [0.0, 2.0]]]), torch.tensor([[[0.0, 1.0], [2.0, 1.0]]])
    mixed = find_fusion("mean:weights=3+1")([a, b])
    assert mixed.flatten().tolist() == pytest.approx([3 / 16, 7 / 8, 1 / 4, 1 / 2])
    bent = find_fusion("geometric:weights=1+3")([a, b])
    assert bent.flatten().tolist() == pytest.approx([0, 0.5**0.75, 0, 0.5**0.25 * 0.5**0.75])
    even = find_fusion("geometric")([a, b])
    assert even.flatten().tolist() == pytest.approx([0, 0.5**0.5, 0, 0.5])


@pytest.mark.parametrize("spec", ["mean:weights=1", "geometric:weights=0+0", "mean:weights=-1+2", "mean:gamma=2"])
def test_weights_that_make_no_sense_are_refused(spec: str) -> None:
    with pytest.raises(HeatlensError):
        find_fusion(spec)([torch.ones(1, 2, 2), torch.ones(1, 2, 2)])
