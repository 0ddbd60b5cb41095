"""Outputs -> one score per image, against numbers by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from heatlens.targets import (
    Contrast,
    Logit,
    Negative,
    Probability,
    Rest,
    Sum,
    class_logits,
    class_probabilities,
    logits_of,
    score_each,
    settle,
)
from heatlens.words.errors import BadValue

Z = [[2.0, 1.0, 0.5, -1.0], [0.0, 3.0, 1.0, 2.5]]
"""Two images, four classes."""


def z() -> Tensor:
    return torch.tensor(Z, dtype=torch.float64, requires_grad=True)


def softmax(row: list[float]) -> list[float]:
    total = sum(map(exp, row))
    return [exp(x) / total for x in row]


def gradient(target: Any, outputs: Tensor) -> list[list[float]]:
    return torch.autograd.grad(target(outputs).sum(), outputs)[0].tolist()


def same(got: Any, expected: Any) -> bool:
    return bool(torch.allclose(torch.as_tensor(got, dtype=torch.float64), torch.tensor(expected).double(), atol=1e-9))


def test_logit_probability_negative_and_sum() -> None:
    assert same(Logit(1)(z()), [1.0, 3.0])
    assert same(Probability(1)(z()), [softmax(row)[1] for row in Z])
    assert same(Negative(Logit(1))(z()), [-1.0, -3.0])
    assert same(Negative(Probability(1))(z()), [-softmax(row)[1] for row in Z])
    assert same(Sum((Logit(0), Logit(1), Logit(3)))(z()), [2.0, 5.5])


def test_the_gradient_of_a_probability_is_p_times_delta_minus_p() -> None:
    p = [softmax(row) for row in Z]
    expected = [[q[1] * ((j == 1) - q[j]) for j in range(4)] for q in p]
    assert same(gradient(Probability(1), z()), expected)


def test_rest_is_the_logit_plus_the_log_probability_of_each_image() -> None:
    assert same(Rest(2)(z()), [row[2] + log(softmax(row)[2]) for row in Z])
    p = [softmax(row) for row in Z]
    assert same(gradient(Rest(2), z()), [[2 * (j == 2) - q[j] for j in range(4)] for q in p])


def test_rest_of_a_hopeless_class_is_finite() -> None:
    far = torch.tensor([[200.0, -200.0]], requires_grad=True)
    assert Rest(1)(far).item() == pytest.approx(-600.0)
    assert same(gradient(Rest(1), far), [[-1.0, 2.0]])


class TestContrast:
    def test_mean_form_is_the_papers(self) -> None:
        target = Contrast(0, against=(1, 2, 3), gamma=0.5)
        assert same(target(z()), [2 - 0.5 * (1 + 0.5 - 1) / 3, 0 - 0.5 * (3 + 1 + 2.5) / 3])
        assert same(gradient(target, z()), [[1, -0.5 / 3, -0.5 / 3, -0.5 / 3]] * 2)

    def test_gamma_is_0_6_for_the_mean_and_1_for_the_softmax_form(self) -> None:
        assert same(Contrast(0, against=(1,))(z()), [2 - 0.6 * 1, 0 - 0.6 * 3])
        assert same(Contrast(0, against=(1,), form="softmax")(z()), [2 - 1, 0 - 3])

    def test_softmax_form_weights_the_references_by_their_probabilities(self) -> None:
        target = Contrast(0, against=(1, 2), form="softmax", gamma=0.8)
        expected, slopes = [], []
        for row in Z:
            p = softmax(row)
            w = [p[1] / (p[1] + p[2]), p[2] / (p[1] + p[2])]
            expected.append(w[0] * (row[0] - 0.8 * row[1]) + w[1] * (row[0] - 0.8 * row[2]))
            slopes.append([1.0, -0.8 * w[0], -0.8 * w[1], 0.0])
        assert same(target(z()), expected)
        assert same(gradient(target, z()), slopes)  # the weights are constants

    def test_weights_are_differentiated_only_when_asked(self) -> None:
        attached = Contrast(0, against=(1, 2), form="softmax", gamma=0.8, detach=False)
        slopes = []
        for row in Z:
            p = softmax(row)
            a, b = p[1] / (p[1] + p[2]), p[2] / (p[1] + p[2])
            bend = 0.8 * a * b * (row[1] - row[2])  # a' = a b (z1' - z2'), times the difference of what is weighted
            slopes.append([1.0, -0.8 * a - bend, -0.8 * b + bend, 0.0])
        assert same(gradient(attached, z()), slopes)

    @pytest.mark.parametrize("form", ["mean", "softmax"])
    def test_gamma_0_is_the_plain_logit(self, form: Any) -> None:
        target = Contrast(1, against=(0, 2), gamma=0.0, form=form)
        assert same(target(z()), [1.0, 3.0])
        assert same(gradient(target, z()), [[0.0, 1.0, 0.0, 0.0]] * 2)

    @pytest.mark.parametrize("form", ["mean", "softmax"])
    def test_two_classes_with_gamma_1_are_antisymmetric(self, form: Any) -> None:
        one, other = Contrast(0, against=(1,), gamma=1.0, form=form), Contrast(1, against=(0,), gamma=1.0, form=form)
        assert same(one(z()), (-other(z())).tolist())
        assert same(gradient(one, z()), [[1.0, -1.0, 0.0, 0.0]] * 2)
        assert same(gradient(other, z()), [[-1.0, 1.0, 0.0, 0.0]] * 2)

    def test_references_are_the_closest_logits_of_each_image(self) -> None:
        assert settle(Contrast(0, count=2), z()[:1]) == Contrast(0, count=2, against=(1, 2))
        assert settle(Contrast(0, count=2), z()[1:]) == Contrast(0, count=2, against=(2, 3))
        assert settle(Contrast(), z()[1:]).against == (3, 2, 0)  # of the prediction, class 1
        assert settle(Contrast(2, count=9), z()[:1]).against == (1, 0, 3)

    def test_references_without_any_probability_still_weigh(self) -> None:
        sure = torch.tensor([[300.0, 1.0, 0.0]], requires_grad=True)
        target = Contrast(0, against=(1, 2), form="softmax")
        w = 1 / (1 + exp(-1.0))
        assert target(sure).item() == pytest.approx(300 - w)
        assert torch.allclose(torch.tensor(gradient(target, sure)), torch.tensor([[1.0, -w, w - 1]]))

    def test_one_class_has_nothing_to_contrast_with(self) -> None:
        with pytest.raises(BadValue, match="a contrast without classes to contrast with"):
            Contrast(0, against=())(z())


class TestSettling:
    def test_the_class_is_the_ranked_prediction_of_the_image(self) -> None:
        assert settle(Logit(), z()[:1]) == Logit(0)
        assert settle(Logit(), z()[1:]) == Logit(1)
        assert settle(Probability(rank=2), z()[1:]) == Probability(2, rank=2)
        assert settle(Negative(Rest(rank=1)), z()[1:]) == Negative(Rest(3, rank=1))
        assert settle(Sum((Logit(), Logit(rank=1))), z()[:1]).of[1].index == 1

    def test_ties_go_to_the_lower_index(self) -> None:
        assert settle(Logit(), torch.zeros(1, 5)) == Logit(0)
        assert settle(Logit(rank=3), torch.zeros(1, 5)).index == 3

    def test_a_fixed_class_and_a_function_stay(self) -> None:
        assert settle(Logit(3), z()[:1]) == Logit(3)
        assert settle(len, z()[:1]) is len

    def test_a_rank_beyond_the_classes_is_refused(self) -> None:
        with pytest.raises(BadValue, match=r"the model has no prediction #5\. Expected #1 to #4"):
            settle(Logit(rank=4), z()[:1])

    def test_an_open_target_cannot_be_scored(self) -> None:
        with pytest.raises(BadValue, match="not settled"):
            Logit()(z())


@pytest.mark.parametrize("index", [4, -1, 1000])
def test_an_index_outside_the_classes_is_refused_with_the_range(index: int) -> None:
    with pytest.raises(BadValue, match=rf"the model has no class {index}\. Expected an index from 0 to 3\."):
        Logit(index)(z())


class TestOneLogit:
    @pytest.mark.parametrize("shape", [(3,), (3, 1)])
    def test_class_1_is_for_and_class_0_against(self, shape: tuple[int, ...]) -> None:
        outputs = torch.tensor([0.7, -2.0, 0.0]).reshape(shape)
        assert torch.equal(Logit(1)(outputs), torch.tensor([0.7, -2.0, 0.0]))
        assert torch.equal(Logit(0)(outputs), torch.tensor([-0.7, 2.0, 0.0]))
        sigmoid = [1 / (1 + exp(-0.7)), 1 / (1 + exp(2.0)), 0.5]
        assert same(Probability(1)(outputs.double()), sigmoid) or torch.allclose(
            Probability(1)(outputs), torch.tensor(sigmoid)
        )
        assert torch.allclose(Probability(0)(outputs), 1 - torch.tensor(sigmoid))

    def test_the_prediction_is_the_sign(self) -> None:
        assert settle(Logit(), torch.tensor([[0.7]])).index == 1
        assert settle(Logit(), torch.tensor([-2.0])).index == 0

    def test_there_is_no_class_2(self) -> None:
        with pytest.raises(BadValue, match=r"no class 2\. Expected an index from 0 to 1"):
            Logit(2)(torch.zeros(1, 1))


class Output(NamedTuple):
    hidden: list[int]
    logits: Tensor


@dataclass
class ModelOutput:
    loss: None
    logits: Tensor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        lambda t: (t, None),
        lambda t: [torch.zeros(2, dtype=torch.long), t],
        lambda t: {"features": torch.zeros(2, 9), "logits": t},
        lambda t: {"out": t},
        lambda t: Output([1], t),
        lambda t: ModelOutput(None, t),
    ],
)
def test_the_class_scores_are_found_in_what_models_return(wrap: Callable[[Tensor], Any]) -> None:
    logits = torch.tensor(Z)
    assert logits_of(wrap(logits)) is logits
    assert class_logits(wrap(logits)) is logits
    assert torch.equal(Logit(3)(wrap(logits)), torch.tensor([-1.0, 2.5]))
    assert torch.allclose(class_probabilities(wrap(logits)).sum(1), torch.ones(2))


def test_dense_outputs_need_a_function() -> None:
    with pytest.raises(BadValue) as refused:
        Logit(0)(torch.zeros(2, 21, 8, 8))
    assert "outputs have shape (2, 21, 8, 8)" in str(refused.value)
    assert "target=lambda out:" in str(refused.value)


class TestEach:
    def test_every_image_has_its_own_target(self) -> None:
        outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        got = score_each(outputs, [Logit(1), Negative(Logit(0)), Logit(1)])
        assert got.tolist() == [2.0, -3.0, 6.0]
        assert score_each(outputs, [Logit(0), lambda o: o.sum(1), Logit(1)]).tolist() == [1.0, 7.0, 6.0]

    def test_a_target_sees_only_its_images(self) -> None:
        seen: list[int] = []

        def count(outputs: Tensor) -> Tensor:
            seen.append(len(outputs))
            return outputs[:, 0]

        score_each(torch.zeros(4, 2), [Logit(0), count, count, Logit(0)])
        assert seen == [2]

    def test_what_has_no_image_dimension_is_given_whole(self) -> None:
        outputs = {"logits": torch.zeros(2, 3), "scale": torch.tensor(5.0), "anchors": torch.ones(7)}
        target = lambda o: o["logits"][:, 0] + o["scale"] + o["anchors"].sum()  # noqa: E731
        assert score_each(outputs, [Logit(0), target]).tolist() == [0.0, 12.0]

    def test_targets_that_cannot_be_hashed_work(self) -> None:
        class Unhashable:
            __hash__ = None  # type: ignore[assignment]

            def __call__(self, outputs: Tensor) -> Tensor:
                return outputs[:, 0] * 2

        assert score_each(torch.ones(2, 2), [Unhashable(), Logit(0)]).tolist() == [2.0, 1.0]

    def test_a_column_per_image_is_flattened(self) -> None:
        assert score_each(torch.ones(2, 3), [lambda o: o[:, :1]] * 2).shape == (2,)

    @pytest.mark.parametrize(
        ("target", "got"),
        [
            (lambda o: o.sum(), r"a tensor \(\)"),
            (lambda o: o, r"a tensor \(2, 3\)"),
            (lambda o: 3.0, "a float"),
            (lambda o: None, "a NoneType"),
        ],
    )
    def test_anything_but_a_number_per_image_is_refused(self, target: Any, got: str) -> None:
        with pytest.raises(BadValue, match=rf"the target <lambda> returned {got} for 2 images\. Expected one number"):
            score_each(torch.ones(2, 3), [target] * 2)


def test_targets_say_what_they_explain() -> None:
    names = ["tabby", "lynx", "dog", "cow"].__getitem__
    assert Logit(0).text(names) == "tabby"
    assert Probability(1).text(names) == "probability of lynx"
    assert Rest(1).text(names) == "lynx (ReST)"
    assert Contrast(0, against=(1, 3)).text(names) == "tabby against lynx, cow"
    assert Negative(Logit(2)).text(names) == "against dog"
    assert Sum((Logit(0), Logit(2))).text(names) == "tabby + dog"


def test_targets_print_in_words() -> None:
    assert str(Logit(3)) == "class 3"
    assert str(Logit(rank=1)) == "prediction #2"
    assert str(Contrast(0, against=(1,))) == "class 0 against class 1"
    assert str(Negative(Logit(2))) == "against class 2"
    assert repr(Logit(3)) == "Logit(index=3, rank=0)"


def test_a_sum_has_no_single_class() -> None:
    assert Sum((Logit(0), Logit(2))).index is None
    assert Sum((Logit(2),)).index == 2
    assert Negative(Logit(2)).index == 2
