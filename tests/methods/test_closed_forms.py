"""What each method must be where the answer can be written down: mostly mean-then-linear heads.

On such a head y = b + sum_k q_k with q_k = W_k mean A_k, the slope is W_k / Z everywhere, and CAM is sum_k W_k A_k.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heatlens.methods.contents import find_method
from heatlens.methods.deep_feature_factorisation import factorise
from helpers.evidence import Evidence, network, run

GAP = network(tail="gap", seed=41)
A, Z = GAP.activations, GAP.activations[0, 0].numel()
W = GAP.head[[0, 1]][:, :, None, None]
Y = GAP.scores(A)
B = Y - (W * A).mean((2, 3)).sum(1)
CAM = (W * A).sum(1)
Q = (W * A).mean((2, 3))


def explain(name: str, evidence: Evidence = GAP, **settings: Any) -> Tensor:
    return run(find_method(name), evidence, **settings)


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()) + 1e-12)


def weighted(weights: Tensor) -> Tensor:
    return (weights[:, :, None, None] * A).sum(1)


def test_the_head_has_both_signs_and_a_bias() -> None:
    assert W.min() < 0 < W.max()
    assert B.abs().min() > 1e-3
    assert CAM.min() < 0 < CAM.max()


def test_cam_and_the_bias_are_the_score() -> None:
    close(explain("cam").mean((1, 2)) + B, Y)


def test_hires_cam_is_cam_over_z() -> None:
    close(Z * explain("hires_cam"), CAM)


@pytest.mark.parametrize("name", ["grad_cam", "xgrad_cam", "shapley_cam", "integrad_cam"])
def test_these_are_the_positive_part_of_cam_over_z(name: str) -> None:
    close(Z * explain(name), CAM.clamp(min=0))


def test_layer_cam_keeps_the_positive_weights() -> None:
    close(Z * explain("layer_cam"), (W.clamp(min=0) * A).sum(1))


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_constant_gradient_has_no_grid_to_remove(stride: int) -> None:
    close(explain("layer_cam", gradient_stride=stride), explain("layer_cam"))


def test_element_wise_rectifies_every_product() -> None:
    signed = network(tail="gap", signed=True, seed=32)
    products = signed.head[[0, 1]][:, :, None, None] * signed.activations
    close(Z * explain("grad_cam_element_wise", signed), products.clamp(min=0).sum(1))
    assert not torch.allclose(explain("grad_cam_element_wise", signed), explain("layer_cam", signed))
    close(explain("grad_cam_element_wise"), explain("layer_cam"))


@pytest.mark.parametrize("name", ["grad_cam_pp", "smooth_grad_cam_pp"])
def test_plus_plus_weights(name: str) -> None:
    """w = ReLU(W) / (2 + q); a constant slope makes the noise irrelevant to the smooth one."""
    w = W[:, :, 0, 0]
    close(explain(name), weighted(w.clamp(min=0) / (2 + Q)).clamp(min=0))


def test_plus_plus_with_normalised_alpha_has_grad_cam_s_positive_weights() -> None:
    close(explain("grad_cam_pp", normalise_alpha=True), weighted(W[:, :, 0, 0].clamp(min=0) / Z).clamp(min=0))


def test_smooth_plus_plus_without_noise_is_plus_plus() -> None:
    curved = network(seed=33)
    for samples in (1, 3):
        close(explain("smooth_grad_cam_pp", curved, samples=samples, sigma=0.0), explain("grad_cam_pp", curved))
    assert not torch.allclose(explain("smooth_grad_cam_pp", curved), explain("grad_cam_pp", curved))


def test_plus_plus_does_not_meet_its_pole() -> None:
    """g = 1 and S = -2 make 2 + g S vanish; alpha is then 1, and w = 2 (two places)."""
    stack, slope = torch.tensor([[[-3.0, 1.0]]]), torch.ones(1, 1, 2)
    close(find_method("grad_cam_pp").function(stack, slope), torch.tensor([[0.0, 2.0]]))


def test_plus_plus_is_exact_for_slopes_far_below_any_epsilon() -> None:
    slope = torch.tensor([[[1e-12, 1e-12]]], dtype=torch.float64)
    stack = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    close(find_method("grad_cam_pp").function(stack, slope), torch.tensor([[1e-12, 3e-12]], dtype=torch.float64))


def test_ablation_weights_are_shares_of_the_score() -> None:
    """w = q / |y|, one image's score being negative."""
    assert Y.min() < 0 < Y.max()
    close(explain("ablation_cam"), weighted(Q / Y.abs()[:, None]).clamp(min=0))


def test_ablation_in_groups_shares_the_drop() -> None:
    share = torch.stack([Q[:, :2].mean(1), Q[:, :2].mean(1), Q[:, 2:4].mean(1), Q[:, 2:4].mean(1), Q[:, 4]], 1)
    close(explain("ablation_cam", group=2), weighted(share / Y.abs()[:, None]).clamp(min=0))


def test_a_counterfactual_ablation_is_not_the_same_map() -> None:
    """Explaining -y shows what speaks against the class."""
    close(explain("ablation_cam", GAP.scaled(-1)), weighted(-Q / Y.abs()[:, None]).clamp(min=0))


def test_recipro_on_logits_is_cam_over_z_and_the_bias() -> None:
    close(explain("recipro_cam", score="logit"), CAM / Z + B[:, None, None])


def test_gaussian_recipro_spreads_what_stands_at_a_place() -> None:
    """The weights inside the picture sum to 1, less one quarter at each side a place is on."""
    rows, columns = (torch.ones(length, dtype=torch.float64) for length in A.shape[2:])
    for edge in (rows, columns):
        edge[0] = edge[-1] = 3 / 4
    close(explain("recipro_cam", gaussian=True, score="logit"), rows[:, None] * columns * CAM / Z + B[:, None, None])


@pytest.mark.parametrize("steps", [1, 7])
def test_layer_integrated_gradients_of_a_linear_tail_are_exact(steps: int) -> None:
    close(explain("layer_integrated_gradients", steps=steps), CAM / Z)


def test_layer_integrated_gradients_are_complete() -> None:
    curved = network(seed=34)
    stack = curved.activations
    change = curved.scores(stack) - curved.scores(torch.zeros_like(stack))
    gaps = [
        (explain("layer_integrated_gradients", curved, steps=steps).sum((1, 2)) - change).abs().max()
        for steps in (10, 100)
    ]
    assert gaps[1] < 1e-4
    assert gaps[1] < gaps[0] / 50, "the midpoint rule converges with the square of the steps"


def test_hires_cam_is_complete_behind_one_linear_layer() -> None:
    flat = network(tail="flat", signed=True, seed=35)
    b = flat.scores(torch.zeros_like(flat.activations))
    close(explain("hires_cam", flat).sum((1, 2)) + b, flat.scores(flat.activations))


def test_xgrad_cam_conserves_the_score_of_a_tail_without_biases() -> None:
    """sum_ij of the map before its ReLU is y; with one channel and positive weights the ReLU changes nothing."""
    bare = network(tail="relu", bias=0.0, seed=36, channels=1)
    positive = bare.scores(bare.activations) > 0
    assert positive.any()
    close(explain("xgrad_cam", bare).sum((1, 2))[positive], bare.scores(bare.activations)[positive])


def test_xgrad_cam_gives_a_dead_channel_nothing() -> None:
    curved = network(seed=37)
    alive = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64)[:, None, None]
    dead = replace(curved, body=lambda x: curved.body(x) * alive)
    m = explain("xgrad_cam", dead)
    fewer = replace(curved, body=lambda x: curved.body(x)[:, [0, 2, 3, 4]], tail=lambda a: curved.tail(_reinsert(a)))
    close(m, explain("xgrad_cam", fewer))


def _reinsert(a: Tensor) -> Tensor:
    return torch.cat([a[:, :1], torch.zeros_like(a[:, :1]), a[:, 1:]], 1)


def test_shapley_cam_is_grad_cam_where_there_is_no_curvature() -> None:
    piecewise = network(tail="relu", seed=38)
    close(explain("shapley_cam", piecewise), explain("grad_cam", piecewise))
    curved = network(seed=38)
    assert not torch.allclose(explain("shapley_cam", curved), explain("grad_cam", curved))


def test_shapley_terms_of_a_quadratic_score_are_exact() -> None:
    """sum (g - H A / 2) A = y(A) - y(0), and with one place a channel the map's weights are these terms."""
    quadratic = network(tail="quadratic", seed=39)
    stack = quadratic.activations
    terms = (quadratic.gradients - quadratic.curvature(stack) / 2) * stack
    gain = quadratic.scores(stack) - quadratic.scores(torch.zeros_like(stack))
    close(terms.sum((1, 2, 3)), gain)

    point = replace(quadratic, body=lambda x: quadratic.body(x).flatten(1)[..., None, None].abs())
    point = replace(point, tail=lambda a: quadratic.tail(a.reshape(len(a), *stack.shape[1:])))
    gain = point.scores(point.activations) - point.scores(torch.zeros_like(point.activations))
    close(explain("shapley_cam", point).flatten(), gain.clamp(min=0))


def test_integrad_cam_of_one_step_is_grad_cam_at_the_image() -> None:
    curved = network(seed=40)
    close(explain("integrad_cam", curved, steps=1), explain("grad_cam", curved))
    assert not torch.allclose(explain("integrad_cam", curved), explain("grad_cam", curved))


def test_integrated_grad_cam_of_a_linear_network() -> None:
    """A linear in X and y linear in A: the integral is W/Z times half of A(X) - A(X_0), (n + 1)/2n of it in n steps."""
    linear = network(tail="gap", signed=True, seed=41)
    rise = (linear.head[[0, 1]][:, :, None, None] * (linear.activations - linear.body(linear.baseline))).sum(1) / Z
    for steps in (1, 4):
        ours = explain("integrated_grad_cam", linear, steps=steps)
        close(ours, (steps + 1) / (2 * steps) * rise.clamp(min=0))


# the grid of a layer before a pooling


def _pooled() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(42)
    stack = torch.rand(2, 3, 8, 6, generator=generator, dtype=torch.float64).requires_grad_()
    pooled = F.max_pool2d(stack, 2)
    score = (torch.randn(pooled.shape, generator=generator, dtype=torch.float64) * pooled.square()).sum()
    slope, behind = torch.autograd.grad(score, [stack, pooled])
    return stack.detach(), slope, pooled.detach(), behind


def test_a_pooling_leaves_three_quarters_of_the_gradient_zero_and_its_blocks_sum_to_the_gradient_behind() -> None:
    _, slope, _, behind = _pooled()
    assert (slope == 0).double().mean() == pytest.approx(0.75)
    close(4 * F.avg_pool2d(slope, 2), behind)


def test_gradient_stride_is_the_gradient_behind_the_pooling_enlarged() -> None:
    stack, slope, _, behind = _pooled()
    enlarged = F.interpolate(behind, stack.shape[2:], mode="bilinear", align_corners=True)
    expected = (enlarged.clamp(min=0) * stack).sum(1) / 4
    close(find_method("layer_cam").function(stack, slope, gradient_stride=2), expected)
    grid = find_method("layer_cam").function(stack, slope)
    assert (expected == 0).double().mean() < 0.2 < (grid == 0).double().mean()


# activations alone


def test_eigen_cam_of_a_rank_one_layer() -> None:
    u, s = torch.tensor([2.0, -1.0, 3.0]), torch.tensor([[0.5, 1.0, 0.0], [2.0, 4.0, 1.5]])
    stack = (u[:, None, None] * s)[None]
    close(explain_stack("eigen_cam", stack), u.norm() * s[None])
    close(explain_stack("eigen_cam", stack, centred=True), u.norm() * (s - s.mean())[None])


def test_eigen_cam_is_high_where_the_network_says_much() -> None:
    """Whatever the channels sum to: the object is where the vectors of channels are long."""
    u, s = torch.tensor([1.0, -3.0]), torch.tensor([[0.5, 1.0, 2.0]])
    close(explain_stack("eigen_cam", u[None, :, None, None] * s), u.norm() * s[None])


@pytest.mark.parametrize("name", ["eigen_cam", "kpca_cam"])
def test_centred_components_are_high_where_the_network_says_much(name: str) -> None:
    u, s = torch.tensor([1.0, -3.0]), torch.tensor([[0.0, 0.1, 0.2, 4.0]])
    options = {"centred": True} if name == "eigen_cam" else {"kernel": "linear"}
    close(explain_stack(name, u[None, :, None, None] * s, **options), u.norm() * (s - s.mean())[None])


@pytest.mark.parametrize("shape", [(1, 3, 5, 4), (1, 30, 3, 2)], ids=["more places", "more channels"])
def test_eigen_cam_is_the_top_eigenvector_by_power_iteration(shape: tuple[int, ...]) -> None:
    stack = torch.rand(shape, generator=torch.Generator().manual_seed(43), dtype=torch.float64)
    rows = stack.flatten(2)[0].T
    v = torch.ones(shape[1], dtype=torch.float64)
    for _ in range(200):
        v = rows.T @ (rows @ v)
        v = v / v.norm()
    ours = explain_stack("eigen_cam", stack)
    close(ours.flatten(), rows @ v)
    assert ours.min() >= 0


def test_eigen_grad_cam_of_a_mean_head_is_eigen_cam_of_the_weighted_channels() -> None:
    for centred in (False, True):
        close(explain("eigen_grad_cam", centred=centred), explain_stack("eigen_cam", W / Z * A, centred=centred))


def test_seg_eigen_cam_turns_a_map_whose_lowest_is_the_stronger() -> None:
    stack = torch.tensor([[[[1.0, -5.0, 2.0]], [[0.0, 0.0, 0.0]]]])
    close(find_method("seg_eigen_cam").function(stack, torch.ones_like(stack)), torch.tensor([[[-1.0, 5.0, -2.0]]]))
    close(find_method("seg_eigen_cam").function(-stack, -torch.ones_like(stack)), torch.tensor([[[-1.0, 5.0, -2.0]]]))


def test_linear_kpca_cam_is_centred_eigen_cam() -> None:
    signed = network(signed=True, seed=44)
    close(explain("kpca_cam", signed, kernel="linear"), explain("eigen_cam", signed, centred=True))


def test_rbf_kpca_cam_of_two_places() -> None:
    """K = [[1, r], [r, 1]], r = exp(-gamma d^2), centred: eigenvalue 1 - r of (1, -1)/sqrt 2."""
    stack = torch.tensor([[[[0.2, 1.0]], [[0.5, 0.9]]]], dtype=torch.float64)
    r = np.exp(-0.7 * (0.8**2 + 0.4**2))
    strength = ((1 - r) / 2) ** 0.5
    close(explain_stack("kpca_cam", stack, kernel="rbf", gamma=0.7), torch.tensor([[[-strength, strength]]]).double())


def explain_stack(name: str, stack: Tensor, **settings: Any) -> Tensor:
    return find_method(name).function(stack, **settings)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-3, 7e5])
@pytest.mark.parametrize("k", [0.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_fem_gives_a_constant_channel_nothing(value: float, k: float, dtype: torch.dtype) -> None:
    """No place is above the mean, though the rounded mean of equal numbers may lie below them."""
    stack = torch.full((1, 2, 7, 3), value, dtype=dtype)
    close(explain_stack("fem", stack, k=k), torch.zeros(1, 7, 3, dtype=dtype))


def test_fem_counts_the_places_above() -> None:
    """0 nine times and 10: mu = 1, sigma = 3, so 10 is above mu + 2 sigma = 7 at one place of ten: w = 0.1."""
    stack = torch.zeros(1, 1, 10)
    stack[..., 4] = 10
    close(explain_stack("fem", stack), stack[:, 0] / 10)
    close(explain_stack("fem", stack, k=3.0), torch.zeros(1, 10))  # 10 is not above 10


def test_fake_cam_is_as_complex_as_can_be() -> None:
    decoy = find_method("fake_cam").function(torch.zeros(2, 3, 224, 224))
    assert decoy[0].mean().item() == pytest.approx(50175 / 50176, abs=1e-6)
    assert decoy[1, 0, 0] == 0
    assert decoy.sum() == 2 * 50175


def test_random_cam_draws_from_minus_one_to_one() -> None:
    """One place and one channel: the map is max(w, 0), on average 1/4; from both signs 1/2 of |w|."""
    stack = torch.ones(1, 1, 1)
    draws = torch.cat([explain_stack("random_cam", sign * stack, seed=seed) for seed in range(400) for sign in (1, -1)])
    assert draws.max() <= 1
    assert draws.mean().item() == pytest.approx(1 / 4, abs=0.03)
    close(explain_stack("random_cam", stack, seed=3), explain_stack("random_cam", stack, seed=3))
    assert len({float(explain_stack("random_cam", stack, seed=seed)) for seed in range(9)}) > 3


def test_dummy_cam_is_the_mean_channel() -> None:
    stack = torch.tensor([[[1.0, 2.0], [3.0, 8.0]]])
    close(explain_stack("dummy_cam", stack), torch.tensor([[2.0, 5.0]]))


def test_zoom_cam_is_the_positive_part_of_hires_cam_over_its_peak() -> None:
    hires = explain("hires_cam").clamp(min=0)
    close(explain("zoom_cam"), hires / hires.amax((1, 2), keepdim=True))


# deep feature factorisation


def test_planted_concepts_are_found() -> None:
    """Two concepts with places of their own have one factorisation up to scale: it is found, the strongest first."""
    concepts = torch.tensor([[3.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 2.0]], dtype=torch.float64)
    where = torch.tensor(
        [[[[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]]],
         [[[0.0, 1.0, 1.0], [0.0, 0.0, 2.0]], [[1.0, 0.0, 0.0], [2.0, 1.0, 0.0]]]], dtype=torch.float64,
    )  # fmt: skip
    stack = torch.einsum("nkij,kc->ncij", where, concepts)
    heatmaps, found = factorise(stack, concepts=2, iterations=400)
    length = concepts.norm(dim=1)
    torch.testing.assert_close(found, concepts / length[:, None], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(heatmaps, where * length[:, None, None], rtol=1e-4, atol=1e-3)
    for k in (0, 1):
        ours = explain_stack("deep_feature_factorisation", stack, concepts=2, concept=k, iterations=400)
        torch.testing.assert_close(ours, where[:, k] * length[k], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("seed", [111, 112, 113])
def test_single_precision_factorises_like_double(seed: int) -> None:
    """With the first of these features factors sink below what single precision can hold."""
    stack = (torch.rand(1, 6, 3, 3, generator=torch.Generator().manual_seed(seed)) - 0.6).relu()
    stack[:, :, 0] = 0
    left = []
    for features in (stack, stack.double()):
        heatmaps, found = factorise(features)
        left.append(float((features - torch.einsum("nkij,kc->ncij", heatmaps, found)).norm()))
    assert left[0] == pytest.approx(left[1], abs=0.02 * float(stack.norm()))


def test_one_concept_is_the_perron_pair() -> None:
    stack = network(seed=45).activations
    V = stack.movedim(1, -1).reshape(-1, stack.shape[1]).numpy()
    U, S, VT = np.linalg.svd(V, full_matrices=False)
    heatmaps, found = factorise(stack, concepts=1, iterations=100)
    close(found[0], torch.as_tensor(np.abs(VT[0])))
    close(heatmaps.flatten(), torch.as_tensor(np.abs(U[:, 0]) * S[0]))


def test_the_residual_never_grows() -> None:
    stack = network(seed=46).activations

    def residual(iterations: int) -> float:
        heatmaps, found = factorise(stack, concepts=3, iterations=iterations, start="random", seed=1)
        return float((stack - torch.einsum("nkij,kc->ncij", heatmaps, found)).square().sum())

    course = [residual(iterations) for iterations in (1, 2, 3, 5, 10, 20, 50, 100)]
    assert course == sorted(course, reverse=True)
    assert course[-1] < course[0] / 2


def test_negative_features_are_rectified_and_the_seed_decides_a_random_start() -> None:
    signed = network(signed=True, seed=47).activations
    ours = factorise(signed, concepts=2, iterations=5)
    close(ours[0], factorise(signed.clamp(min=0), concepts=2, iterations=5)[0])
    assert min(part.min() for part in ours) >= 0
    close(ours[0], factorise(signed, concepts=2, iterations=5, seed=1)[0])
    drawn = [factorise(signed, concepts=2, iterations=5, start="random", seed=seed)[0] for seed in (0, 1)]
    assert not torch.allclose(*drawn)


def test_more_concepts_than_the_features_have_dimensions() -> None:
    """A start for every concept, and all of the features explained."""
    stack = network(seed=48, channels=2).activations
    heatmaps, found = factorise(stack, concepts=4, iterations=300)
    assert found.isfinite().all()
    left = stack - torch.einsum("nkij,kc->ncij", heatmaps, found)
    assert left.norm() < 1e-3 * stack.norm()
