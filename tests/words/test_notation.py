import math

import pytest
import torch
from torch import Tensor

from heatlens.words.notation import (
    along_path,
    centred_places,
    channel_sum,
    decided,
    extremes,
    first_eigenpair,
    noisy,
    over_space,
    principal,
    ratio,
    relu,
    resize,
    resize_maps,
    root,
    spatial_mean,
    spatial_sum,
    unit_peak,
    unit_range,
    unit_scale,
)

SHAPES = [(2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 4)]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ratio_owns_nothing_over_nothing() -> None:
    above, below = torch.tensor([0.0, 3.0, 3.0, -1.0]), torch.tensor([0.0, 0.0, 2.0, 4.0])
    torch.testing.assert_close(ratio(above, below), torch.tensor([0.0, 0.0, 1.5, -0.25]))


def test_the_derivative_of_a_ratio_is_finite_where_it_is_nothing_over_nothing() -> None:
    x = torch.tensor([0.0, 2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(ratio(x, x * x).sum(), x)
    torch.testing.assert_close(slope, torch.tensor([0.0, -0.25]))


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_and_means_over_space_keep_the_rank(shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    expected = torch.stack([torch.stack([channel.sum() for channel in image]) for image in x])
    assert spatial_sum(x).shape == (*shape[:2], *[1] * (len(shape) - 2))
    torch.testing.assert_close(spatial_sum(x).flatten(1), expected)
    torch.testing.assert_close(spatial_mean(x).flatten(1), expected / math.prod(shape[2:]))


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_multiply_channel_by_channel(shape: tuple[int, ...]) -> None:
    x, w = numbers(*shape), numbers(*shape[:2], seed=1)
    weighted = over_space(w, x) * x
    torch.testing.assert_close(weighted[1, 2], w[1, 2] * x[1, 2])
    torch.testing.assert_close(channel_sum(weighted)[0], sum(w[0, k] * x[0, k] for k in range(3)))


def test_eigen_smoothing_is_the_first_centred_component() -> None:
    x = numbers(2, 3, 4, 5)
    torch.testing.assert_close(channel_sum(x, "eigen"), principal(x, centred=True, with_sum=True))


def test_unit_range_is_from_zero_to_one_in_every_channel() -> None:
    x = torch.tensor([[[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]]])
    torch.testing.assert_close(unit_range(x), torch.tensor([[[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]]))
    torch.testing.assert_close(unit_range(x, 1), (x - 1) / 4)


def test_unit_peak_rectifies_first() -> None:
    x = torch.tensor([[-4.0, 1.0, 2.0], [-1.0, -2.0, 0.0]])
    torch.testing.assert_close(unit_peak(x), torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]))


def test_unit_scale_keeps_zero_and_signs() -> None:
    x = torch.tensor([[-4.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(unit_scale(x), torch.tensor([[-1.0, 0.25, 0.5], [0.0, 0.0, 0.0]]))


def test_extremes_and_relu() -> None:
    low, high = extremes(torch.tensor([[-4.0, 1.0], [2.0, 3.0]]))
    assert low.tolist() == [[-4.0], [2.0]]
    assert high.tolist() == [[1.0], [3.0]]
    assert relu(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("shape", SHAPES)
def test_resizing_is_linear_along_every_axis(shape: tuple[int, ...]) -> None:
    """A ramp stays a ramp: away from the borders, place i of twice the size stands at (i + 1/2)/2 - 1/2."""
    ramp = torch.arange(shape[-1], dtype=torch.float64).expand(shape)
    larger = resize(ramp, tuple(2 * s for s in shape[2:]))
    assert larger.shape == (*shape[:2], *[2 * s for s in shape[2:]])
    expected = ((torch.arange(2 * shape[-1], dtype=torch.float64) + 0.5) / 2 - 0.5).clamp(0, shape[-1] - 1)
    torch.testing.assert_close(larger, expected.expand_as(larger))
    torch.testing.assert_close(resize_maps(ramp[:, 0], tuple(larger.shape[2:])), larger[:, 0])


def test_resizing_with_corners_on_corners() -> None:
    torch.testing.assert_close(resize(torch.tensor([[[0.0, 3.0]]]), (4,), align_corners=True)[0, 0], torch.arange(4.0))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    x = numbers(1, 2, 3)
    assert resize(x, (3,)) is x


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 9, 2, 3)], ids=["more places", "more channels"])
@pytest.mark.parametrize("centred", [False, True])
def test_principal_has_the_strength_of_the_first_singular_value(shape: tuple[int, ...], centred: bool) -> None:
    x = numbers(*shape)
    rows = x.flatten(2).mT - (x.flatten(2).mT.mean(1, keepdim=True) if centred else 0)
    ours = principal(x, centred=centred).flatten(1)
    values = torch.linalg.svdvals(rows)
    torch.testing.assert_close(ours.norm(dim=1), values[:, 0])
    # and it is a singular direction: O O^T L = s^2 L
    torch.testing.assert_close((rows @ rows.mT @ ours[..., None])[..., 0], values[:, :1] ** 2 * ours)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_principal_neither_underflows_nor_overflows(scale: float) -> None:
    x = numbers(2, 3, 4, 5).float()
    torch.testing.assert_close(principal(scale * x, centred=False) / scale, principal(x, centred=False))


def test_the_derivative_of_a_component_survives_dead_channels() -> None:
    """Two channels that are zero everywhere are two equal eigenvalues; nothing may divide by their difference."""
    x = torch.cat([numbers(1, 2, 4, 5), torch.zeros(1, 3, 4, 5, dtype=torch.float64)], 1).requires_grad_()
    for centred in (False, True):
        assert torch.autograd.gradcheck(lambda a, centred=centred: principal(a, centred=centred), x)
    (slope,) = torch.autograd.grad(principal(0 * x, centred=False).sum(), x)
    assert slope.isfinite().all()


def test_first_eigenpair_is_the_largest_not_the_strongest() -> None:
    value, vector = first_eigenpair(torch.diag(torch.tensor([2.0, -5.0, 1.0]))[None])
    assert value.tolist() == [[2.0]]
    assert vector.abs().tolist() == [[1.0, 0.0, 0.0]]


def test_a_root_and_its_derivative_stay_finite() -> None:
    x = torch.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    assert root(x).tolist() == [0.0, 0.0, 2.0]
    assert torch.autograd.grad(root(x).sum(), x)[0].tolist() == [0.0, 0.0, 0.25]


def test_centred_places_make_a_constant_exactly_zero() -> None:
    rows = torch.stack([torch.full((7,), 0.1), torch.arange(7.0)], 1)[None]
    centred = centred_places(rows)
    assert (centred[..., 0] == 0).all()
    torch.testing.assert_close(centred[0, :, 1], torch.arange(7.0) - 3)


def test_a_sign_goes_with_what_stands_beside_it_and_a_tie_with_the_strongest_place() -> None:
    along = torch.tensor([[1.0, -2.0, 0.5]])
    assert decided(along, torch.tensor([[3.0, 0.0, 0.0]])).tolist() == along.tolist()
    assert decided(along, torch.tensor([[0.0, 3.0, 0.0]])).tolist() == (-along).tolist()
    tie = torch.tensor([[2.0, 1.0, 0.0]])
    assert decided(along, tie).tolist() == (-along).tolist()
    assert decided(-along, tie).tolist() == (-along).tolist()


def test_noise_is_as_wide_as_asked_and_the_same_for_every_image() -> None:
    images = torch.stack([torch.linspace(0, 1, 3000), torch.linspace(-2, 6, 3000)])[:, None]
    noises = torch.stack([view - images for view in noisy(images, samples=20, sigma=0.25, seed=1)])
    assert noises[:, 0].std().item() == pytest.approx(0.25, rel=0.02)
    torch.testing.assert_close(noises[:, 1], 8 * noises[:, 0], rtol=1e-3, atol=1e-4)
    assert abs(noises.mean().item()) < 0.02
    assert not torch.allclose(noises[0], noises[1])


def test_noise_repeats_with_its_seed_and_not_with_another() -> None:
    images = numbers(1, 3, 4)
    first, again, other = (next(noisy(images, samples=1, sigma=0.1, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_noise_leaves_the_callers_randomness_alone() -> None:
    before = torch.get_rng_state()
    list(noisy(numbers(1, 2, 3), samples=2, sigma=0.1, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_path_ends_at_its_end_and_leaves_out_its_start() -> None:
    points = list(along_path(torch.tensor([2.0]), torch.tensor([6.0]), steps=4))
    assert [p.item() for p in points] == [3.0, 4.0, 5.0, 6.0]
