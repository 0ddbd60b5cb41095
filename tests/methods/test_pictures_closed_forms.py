"""What methods that change pictures, or propagate by another rule, must be where the answer can be written down."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from heatlens.methods.contents import find_method
from heatlens.methods.shared.masking import compact, gaussian_blur, softmax_over, sum_over
from heatlens.recipes.fusion import poly
from heatlens.words.signature import needs
from helpers.evidence import Attended, Evidence, network, run

GAP = network(tail="gap", seed=41)
A, W = GAP.activations, GAP.class_weights[:, :, None, None]
Q = (W * A).mean((2, 3))
CURVED = network(seed=51)


def explain(name: str, evidence: Evidence = CURVED, **settings: Any) -> Tensor:
    return run(find_method(name), evidence, **settings)


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()) + 1e-12)


def weighted(weights: Tensor) -> Tensor:
    return (weights[:, :, None, None] * A).sum(1)


def counting(evidence: Evidence) -> tuple[Any, list[int]]:
    asked: list[int] = []

    def score_under(pictures: Any, count: int, probability: bool = False) -> Tensor:
        asked.append(count)
        return evidence.score_under(pictures, count, probability)

    return score_under, asked


def asked_of(name: str, evidence: Evidence, **settings: Any) -> int:
    """How many pictures an image costs."""
    entry = find_method(name)
    score_under, asked = counting(evidence)
    words = needs(entry.function)
    entry.function(*(score_under if w == "score_under" else getattr(evidence, w) for w in words), **settings)
    return sum(asked)


# Score-CAM and its relatives


def no_transformer(a: Tensor) -> Attended:
    raise AssertionError("no transformer here")


def one_pixel(size: tuple[int, int] = (4, 6)) -> tuple[Evidence, Tensor]:
    """A score that is one pixel of the picture, and the channels' values there."""
    generator = torch.Generator().manual_seed(3)
    stack = torch.randn(1, 5, *size, generator=generator, dtype=torch.float64)
    images = torch.rand(1, 3, *size, generator=generator, dtype=torch.float64) + 1

    def tail(x: Tensor) -> Tensor:  # the body hands the pictures on, except for the one that is explained
        return x[:, :1, 1, 2].repeat(1, 3)

    def body(x: Tensor) -> Tensor:
        return stack if x is images else x

    return Evidence(images, torch.zeros_like(images), body, tail, torch.zeros(3, 5), (0,), no_transformer), stack


def test_score_cam_of_a_one_pixel_classifier_weighs_by_the_mask_at_that_pixel() -> None:
    evidence, stack = one_pixel()
    low, high = stack.amin((2, 3), keepdim=True), stack.amax((2, 3), keepdim=True)
    w = ((stack - low) / (high - low))[:, :, 1, 2] * evidence.images[0, 0, 1, 2]
    ours = explain("score_cam", evidence, score="logit")
    close(ours, (w[:, :, None, None] * stack).sum(1).clamp(min=0))
    ours = explain("score_cam", evidence, score="logit", channel_softmax=True)
    close(ours, (w.softmax(1)[:, :, None, None] * stack).sum(1).clamp(min=0))


@pytest.mark.parametrize("noise", ["map", "input"])
def test_ss_cam_without_noise_is_score_cam(noise: str) -> None:
    for score in ("logit", "probability"):
        expected = explain("score_cam", score=score, channel_softmax=True)
        close(explain("ss_cam", sigma=0.0, samples=2, noise=noise, score=score), expected)


def test_ss_cam_of_a_linear_network_tends_to_score_cam() -> None:
    """The noise's mean is zero."""
    evidence, _ = one_pixel()
    expected = explain("score_cam", evidence, score="logit", channel_softmax=True)
    for noise in ("map", "input"):
        many = explain("ss_cam", evidence, noise=noise, samples=3000, sigma=1.0)
        assert (many - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("schedule", ["linear", "cumulative"])
def test_is_cam_of_one_step_is_score_cam(schedule: str) -> None:
    expected = explain("score_cam", score="logit", channel_softmax=True)
    close(explain("is_cam", steps=1, schedule=schedule), expected)


@pytest.mark.parametrize(("schedule", "mean"), [("linear", 0.625), ("cumulative", (0.25 + 0.75 + 1.5 + 2.5) / 4)])
def test_is_cam_of_a_linear_network_scales_the_scores(schedule: str, mean: float) -> None:
    evidence, stack = one_pixel()
    low, high = stack.amin((2, 3), keepdim=True), stack.amax((2, 3), keepdim=True)
    w = mean * ((stack - low) / (high - low))[:, :, 1, 2] * evidence.images[0, 0, 1, 2]
    ours = explain("is_cam", evidence, steps=4, schedule=schedule)
    close(ours, (w.softmax(1)[:, :, None, None] * stack).sum(1).clamp(min=0))


def test_g_score_cam_of_all_channels_is_score_cam() -> None:
    close(explain("g_score_cam"), explain("score_cam", score="logit", channel_softmax=True))


def with_dead_channels() -> tuple[Evidence, Evidence]:
    """Two channels of five are zero, and the same network without them."""
    alive = torch.tensor([0, 1, 0, 1, 1], dtype=torch.float64)[:, None, None]
    kept = torch.tensor([1, 3, 4])
    dead = replace(CURVED, body=lambda x: CURVED.body(x) * alive)

    def put_back(a: Tensor) -> Tensor:
        out = torch.zeros(len(a), 5, *a.shape[2:], dtype=a.dtype)
        out[:, kept] = a
        return CURVED.tail(out)

    return dead, replace(dead, body=lambda x: CURVED.body(x)[:, kept], tail=put_back)


@pytest.mark.parametrize(
    ("name", "settings", "cost"),
    [
        ("score_cam", {}, 3),
        ("score_cam", {"channel_softmax": True, "score": "logit"}, 3),
        ("score_cam", {"top": 2}, 2),
        ("g_score_cam", {}, 3),
        ("ss_cam", {"samples": 4}, 12),
        ("is_cam", {"steps": 4}, 12),
        ("poly_cam", {"mode": "plus"}, 4),
        ("poly_cam", {"mode": "both"}, 7),
        ("group_cam", {"groups": 5, "score": "logit"}, 4),
    ],
)
def test_dead_channels_change_nothing_and_no_picture_is_made_for_them(
    name: str, settings: dict[str, Any], cost: int
) -> None:
    dead, without = with_dead_channels()
    if name == "group_cam":  # a group whose weighted sum is negative is blank, too
        cost = 1 + int((dead.gradients.mean((2, 3)) * dead.activations.amax((2, 3)) > 0).sum(1).max())
    close(explain(name, dead, **settings), explain(name, without, **settings))
    assert asked_of(name, dead, **settings) == cost


def test_images_of_a_batch_need_not_have_equally_many_channels_to_look_at() -> None:
    first = torch.tensor([1, 1, 0, 1, 1], dtype=torch.float64)[:, None, None]
    third = torch.tensor([0, 0, 1, 0, 0], dtype=torch.float64)[:, None, None]

    def body(x: Tensor) -> Tensor:
        out = CURVED.body(x)
        return (
            out
            * torch.where(x.flatten(1).sum(1) > CURVED.images.flatten(1).sum(1).mean(), 1, 0)[:, None, None, None]
            * first
            + out * third
        )

    uneven = replace(CURVED, body=body)
    alive = uneven.activations.flatten(2).any(2).sum(1).tolist()
    assert sorted(alive) == [1, 5]
    for name, settings in [("score_cam", {}), ("score_cam", {"channel_softmax": True}), ("poly_cam", {})]:
        alone = torch.cat([explain(name, uneven.only(i), **settings) for i in range(2)])
        close(explain(name, uneven, **settings), alone)


def test_compact_keeps_the_wanted_channels_and_fills_up_with_zeros() -> None:
    stack = torch.arange(1.0, 9.0).reshape(2, 4, 1)
    wanted = torch.tensor([[True, False, True, True], [False, True, False, False]])
    close(compact(stack, wanted)[..., 0], torch.tensor([[1.0, 3.0, 4.0], [6.0, 0.0, 0.0]]))
    strength = torch.tensor([[1.0, 9.0, 3.0, 2.0], [9.0, 1.0, 9.0, 9.0]])
    close(compact(stack, wanted, strength, top=2)[..., 0], torch.tensor([[3.0, 4.0], [6.0, 0.0]]))
    assert compact(stack, wanted & False).shape == (2, 1, 1)
    assert not compact(stack, wanted & False).any()


def test_a_softmax_over_some_gives_the_others_nothing() -> None:
    scores = torch.tensor([[1.0, 50.0, 1.0], [7.0, 7.0, 7.0]])
    real = torch.tensor([[True, False, True], [False, False, False]])
    close(softmax_over(scores, real), torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]))


def test_sums_over_masks_made_a_few_at_a_time() -> None:
    weights, M = torch.rand(2, 150), torch.rand(150, 1, 3, 4)
    close(sum_over(weights, lambda k: M[k]), weights @ M.flatten(1))


# groups


def test_one_group_is_grad_cam_where_it_helps() -> None:
    ours, grad_cam = explain("group_cam", groups=1, score="logit"), explain("grad_cam")
    for mine, theirs in zip(ours, grad_cam, strict=True):
        if mine.any():
            close(mine / mine.max(), theirs / theirs.max())
    assert ours.any()


def test_channels_of_one_chunk_have_no_order() -> None:
    shuffled = CURVED.permuted(torch.tensor([1, 0, 2, 4, 3]))  # chunks of three and two
    close(explain("group_cam", shuffled, groups=2, score="logit"), explain("group_cam", groups=2, score="logit"))


def test_a_blur_keeps_a_constant_and_mixes_by_a_bell() -> None:
    close(gaussian_blur(torch.full((1, 2, 5, 7), 3.0), 51, 50.0), torch.full((1, 2, 5, 7), 3.0))
    spike = torch.zeros(1, 1, 9, dtype=torch.float64)
    spike[..., 4] = 1
    bell = torch.exp(-torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64) / (2 * 0.8**2))
    expected = torch.zeros_like(spike)
    expected[..., 3:6] = bell / bell.sum()
    close(gaussian_blur(spike, 3, 0.8), expected)
    edge = torch.tensor([[[5.0, 1.0, 0.0]]], dtype=torch.float64)  # beyond the border 5 comes 1 again
    b = bell / bell.sum()
    close(gaussian_blur(edge, 3, 0.8)[0, 0, 0], b[1] * 5 + 2 * b[0] * 1)


# Poly-CAM


def test_poly_cam_of_one_layer_is_the_score_weighted_sum_of_its_masks() -> None:
    """A channel from 0 up has the mask of Score-CAM, but for the percentiles: exact where many places share them."""
    generator = torch.Generator().manual_seed(5)
    stack = torch.randint(0, 3, (1, 5, 40, 60), generator=generator).double()
    images = torch.rand(1, 3, 40, 60, generator=generator, dtype=torch.float64)
    base = network(seed=52)
    evidence = replace(
        base, images=images, baseline=0 * images, classes=(1,),
        body=lambda x: stack if x is images else base.body(x),
    )  # fmt: skip
    ours = explain("poly_cam", evidence, mode="plus")
    close(ours, explain("score_cam", evidence))
    close(poly([ours]), ours)


# rules


def test_lift_weights_are_q_and_complete() -> None:
    close(explain("lift_cam", GAP), weighted(Q).clamp(min=0))
    for tail in ("curved", "relu", "gap"):
        evidence = network(tail=tail, seed=53)
        silent = evidence.scores(torch.zeros_like(evidence.activations))
        rise = evidence.scores(evidence.activations) - silent
        close(evidence.propagated("rescale").sum((1, 2, 3)), rise)


def test_lift_weights_of_a_linear_score_are_shapley_values() -> None:
    """Over all 2^5 sets of channels."""
    n, k = 0, 2
    value, others = 0.0, [0, 1, 3, 4]
    for mask in range(16):
        chosen = [c for bit, c in enumerate(others) if mask >> bit & 1]
        a = torch.zeros_like(A[n])
        a[chosen] = A[n, chosen]
        without = GAP.score(a[None], n)
        a[k] = A[n, k]
        share = [24, 6, 4, 6, 24][len(chosen)] / 120
        value += share * float(GAP.score(a[None], n) - without)
    assert float(GAP.propagated("rescale")[n, k].sum()) == pytest.approx(value)


def test_relevance_on_mean_and_linear() -> None:
    """R = relu(W) A / sum relu(W) A for the class, and the others' by the same rule against it."""
    ours = explain("relevance_cam", GAP)
    for n in range(2):
        R = torch.zeros_like(A[n])
        for c in range(3):
            parts = GAP.head[c].clamp(min=0)[:, None, None] * A[n]
            R += (1.0 if c == GAP.classes[n] else -1 / 3) * parts / parts.sum()
        close(ours[n], (R.mean((1, 2), keepdim=True) * A[n]).sum(0))


def test_guided_backpropagation_by_hand_and_on_networks_without_negatives() -> None:
    relu = network(tail="relu", seed=54)
    plain = relu.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(relu.scores(relu.body(plain)).sum(), plain)
    assert not torch.allclose(relu.propagated("guided"), gradient)
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    kind = replace(relu, tail=lambda a: a.flatten(2).sum(2) @ weights.T, head=weights)
    plain = relu.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(kind.scores(kind.body(plain)).sum(), plain)
    close(explain("guided_backprop", kind), gradient.abs().sum(1))
    close(explain("guided_backprop", kind, colours="largest"), gradient.abs().amax(1))
    close(explain("guided_backprop", kind, colours="signed"), gradient.sum(1))
    there = kind.enlarge(explain("grad_cam", kind)[:, None])[:, 0]
    close(explain("guided_grad_cam", kind), gradient.abs().sum(1) * there)


def test_full_gradients_are_complete() -> None:
    relu = network(tail="relu", seed=55)
    total = sum(term.flatten(1).sum(1) for term in relu.full_gradients())
    close(total, relu.scores(relu.activations))


def test_full_grad_without_biases_is_the_input_s_term() -> None:
    one = [torch.tensor([[[[3.0, -1.0], [0.0, 2.0]]]])]
    ours = find_method("full_grad").function(torch.zeros(1, 1, 2, 2), lambda: one)
    close(ours, torch.tensor([[[1.0, 1 / 3], [0.0, 2 / 3]]]))


def test_full_grad_scales_all_channels_of_a_layer_together() -> None:
    terms = [torch.zeros(1, 1, 1, 2), torch.tensor([[[[8.0, 4.0]], [[1.0, 0.0]]]]), torch.ones(1, 7)]
    ours = find_method("full_grad").function(torch.zeros(1, 1, 1, 2), lambda: terms)
    close(ours, torch.tensor([[[1.0 + 1 / 8, 0.5]]]))


def test_smooth_full_grad_without_noise_is_full_grad_of_a_grey_picture() -> None:
    class Grey:
        images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))

        @staticmethod
        def full_gradients(images: Tensor = images) -> list[Tensor]:
            return [images * (images - 0.3), images.repeat(1, 3, 1, 1)[..., ::2, ::2], images[:, 0, 0]]

    for samples in (1, 3):
        ours = find_method("smooth_full_grad").function(Grey.images, Grey.full_gradients, samples=samples, sigma=0.0)
        close(ours, find_method("full_grad").function(Grey.images, Grey.full_gradients))


# optimised, enlarged, switched


def test_opti_cam_of_no_steps_is_dummy_cam_of_what_is_positive() -> None:
    signed = network(signed=True, seed=56)
    mean = signed.enlarge(signed.activations.clamp(min=0).mean(1, keepdim=True))[:, 0]
    low, high = mean.amin((1, 2), keepdim=True), mean.amax((1, 2), keepdim=True)
    close(explain("opti_cam", signed, steps=0), (mean - low) / (high - low))


def masked_score(evidence: Evidence, S: Tensor) -> Tensor:
    shown = evidence.baseline + S[:, None] * (evidence.images - evidence.baseline)
    return evidence.scores(evidence.body(shown))


def test_opti_cam_raises_the_score_and_small_steps_never_lower_it() -> None:
    course = [masked_score(CURVED, explain("opti_cam", steps=steps, rate=0.01)) for steps in (0, 3, 6, 9)]
    for before, after in pairwise(course):
        assert (after > before).all()


def test_opti_cam_finds_the_best_of_all_mixtures_of_two_channels() -> None:
    two = network(seed=57, channels=2)
    best = torch.full((2,), -torch.inf, dtype=torch.float64)
    for share in torch.linspace(0, 1, 201).tolist():
        mixture = two.enlarge(share * two.activations[:, :1] + (1 - share) * two.activations[:, 1:])[:, 0]
        low, high = mixture.amin((1, 2), keepdim=True), mixture.amax((1, 2), keepdim=True)
        best = torch.maximum(best, masked_score(two, (mixture - low) / (high - low)))
    found = masked_score(two, explain("opti_cam", two, steps=200, rate=0.1))
    start = masked_score(two, explain("opti_cam", two, steps=0))
    assert ((best - found) < 0.05 * (best - start) + 1e-3).all()


def test_cameras_of_one_scale_is_hires_cam_enlarged_first() -> None:
    big, slope = CURVED.enlarge(CURVED.activations), CURVED.enlarge(CURVED.gradients)
    close(explain("cameras", scales=1), (big * slope).sum(1).clamp(min=0))


def test_fd_cam_on_mean_and_linear() -> None:
    """With a threshold that leaves each channel alone: s_k = y(k alone) + y - y(without k) = 2 q_k + b."""
    low, high = Q.amin(1, keepdim=True), Q.amax(1, keepdim=True)
    g = GAP.class_weights
    slopes = (g - g.amin(1, keepdim=True)) / (g.amax(1, keepdim=True) - g.amin(1, keepdim=True))
    close(explain("fd_cam", GAP), weighted(((Q - low) / (high - low)).exp() * slopes - 0.5).clamp(min=0))


# pictures alone


def constant(value: float = 0.7) -> Evidence:
    return replace(CURVED, tail=lambda a: value + 0 * CURVED.tail(a))


def test_rise_of_a_constant_score_is_the_mean_mask_over_p() -> None:
    for p in (0.3, 1.0):
        ours = explain("rise", constant(), samples=1500, cells=4, p=p, score="logit")
        assert (ours.mean((1, 2)) - 0.7).abs().max() < 0.02
        assert ours.amin() >= 0
    close(ours, torch.full_like(ours, 0.7))  # with p = 1 every mask is 1 everywhere


def linear_in_pixels() -> tuple[Evidence, Tensor]:
    worth = torch.randn(3, 8, 12, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    score = replace(CURVED, body=lambda x: x, tail=lambda x: (worth * x).flatten(1).sum(1, keepdim=True).repeat(1, 3))
    return score, worth


def test_occlusion_of_a_score_linear_in_pixels() -> None:
    """A window of one pixel finds what the pixel is worth, a larger one the mean of the sums it is part of."""
    evidence, worth = linear_in_pixels()
    each = (worth * evidence.images).sum(1)
    close(explain("occlusion", evidence, window=1, stride=1, score="logit"), each)
    black = (worth * (evidence.images - evidence.baseline)).sum(1)
    close(explain("occlusion", evidence, window=1, stride=1, fill="black", score="logit"), black)
    blocks = torch.nn.functional.avg_pool2d(each, 4) * 16
    ours = explain("occlusion", evidence, window=4, stride=4, score="logit")
    close(ours, blocks.repeat_interleave(4, 1).repeat_interleave(4, 2))
    whole = explain("occlusion", evidence, score="logit")  # a window larger than the picture covers all of it
    close(whole, each.sum((1, 2), keepdim=True).expand_as(whole))


def test_lime_of_a_score_linear_in_superpixels() -> None:
    """Many samples against a ridge of 1: beta is nearly what hiding the superpixel takes away."""
    evidence, worth = linear_in_pixels()
    ours = explain("lime", evidence, superpixels=6, samples=3000, width=1.0, score="logit")
    X = evidence.images
    for n in range(2):
        for value in ours[n].unique():
            part = ours[n] == value
            hidden = X[n, :, part].mean(1, keepdim=True)
            taken = (worth[:, part] * (X[n, :, part] - hidden)).sum()
            assert float(value) == pytest.approx(float(taken), abs=0.02 * float(ours.abs().max()))
    close(explain("lime", constant(), samples=50, score="logit"), torch.zeros_like(ours))


@pytest.mark.parametrize("name", ["rise", "lime", "ss_cam", "smooth_full_grad"])
def test_the_seed_decides(name: str) -> None:
    few = {"samples": 6} | ({"superpixels": 6} if name == "lime" else {})
    assert torch.equal(explain(name, seed=3, **few), explain(name, seed=3, **few))
    assert not torch.allclose(explain(name, seed=3, **few), explain(name, seed=4, **few))
