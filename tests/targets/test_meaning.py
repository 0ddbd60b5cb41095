"""Which of a model's outputs holds the scores, and what was done to them already."""

from collections.abc import Callable
from math import exp, log
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import heatlens
from heatlens.targets import (
    Answer,
    Logit,
    Meaning,
    Negative,
    Probability,
    Sum,
    Value,
    class_logits,
    class_probabilities,
    logits_of,
    numbers_of,
    score_each,
    with_logits,
)
from heatlens.words.errors import BadValue
from heatlens.words.trees import rows, tensors
from helpers.networks import Gap

Z = torch.tensor([[2.0, 1.0, 0.5], [0.0, 3.0, 1.0]])
FEATURES = torch.arange(8.0).reshape(2, 4)


class Named(NamedTuple):
    embedding: Tensor
    scores: Tensor


@pytest.mark.parametrize(
    ("outputs", "listed"),
    [
        ((FEATURES, Z), "2 tensors: 0 (2, 4), 1 (2, 3)"),
        ([Z, FEATURES, Z + 1], "3 tensors: 0 (2, 3), 1 (2, 4), 2 (2, 3)"),
        ({"embedding": FEATURES, "scores": Z}, "2 tensors: embedding (2, 4), scores (2, 3)"),
        (Named(FEATURES, Z), "2 tensors: embedding (2, 4), scores (2, 3)"),
    ],
)
def test_several_outputs_are_named_with_what_settles_it(outputs: Any, listed: str) -> None:
    with pytest.raises(BadValue) as refused:
        class_logits(outputs)
    said = str(refused.value)
    assert f"the model returns {listed}." in said
    assert "heatlens.load(model, output=" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("outputs", "output"),
    [
        ((FEATURES, Z), 1),
        ((FEATURES, Z), -1),
        ([[FEATURES], [Z]], 1),
        ({"embedding": FEATURES, "scores": Z}, "scores"),
        ({"embedding": FEATURES, "scores": Z}, 1),
        (Named(FEATURES, Z), "scores"),
    ],
)
def test_the_output_that_is_declared_is_read(outputs: Any, output: int | str) -> None:
    answer = Answer(outputs, Meaning(output=output))
    assert numbers_of(answer) is Z
    assert class_logits(answer) is Z
    assert Logit(1)(answer).tolist() == [1.0, 3.0]


@pytest.mark.parametrize("output", [2, -3, "logit"])
def test_an_output_that_is_not_there(output: int | str) -> None:
    with pytest.raises(BadValue, match=r"output=.* of a model that returns 2 tensors: 0 \(2, 4\), 1 \(2, 3\)"):
        logits_of(Answer((FEATURES, Z), Meaning(output=output)))


@pytest.mark.parametrize("outputs", [(FEATURES, Z), (Z, FEATURES), {"a": FEATURES, "b": Z}])
def test_as_many_scores_as_classes_were_named_are_plain(outputs: Any) -> None:
    assert logits_of(Answer(outputs, Meaning(classes=3, scores="multilabel"))) is Z


@pytest.mark.parametrize("turned", [lambda z: z.softmax(1), lambda z: z.log_softmax(1), torch.sigmoid])
@pytest.mark.parametrize("first", [True, False])
def test_of_probabilities_and_their_logits_the_logits_are_meant(
    turned: Callable[[Tensor], Tensor], first: bool
) -> None:
    pair = (turned(Z), Z) if first else (Z, turned(Z))
    assert logits_of(pair) is Z


def test_two_heads_of_one_size_are_not_plain() -> None:
    with pytest.raises(BadValue, match="2 tensors"):
        logits_of((Z, Z.flip(1)))


def softmax(row: list[float]) -> list[float]:
    total = sum(map(exp, row))
    return [exp(x) / total for x in row]


def test_the_logit_of_softmax_probabilities_is_their_logarithm() -> None:
    answer = Answer(Z.softmax(1), Meaning(scores="softmax"))
    p = [softmax(row) for row in Z.tolist()]
    assert Logit(2)(answer).tolist() == pytest.approx([log(row[2]) for row in p], abs=1e-6)
    assert Probability(2)(answer).tolist() == pytest.approx([row[2] for row in p], abs=1e-6)
    assert class_probabilities(answer).tolist()[1] == pytest.approx(p[1], abs=1e-6)


def test_the_logit_of_a_sigmoid_is_what_entered_it() -> None:
    answer = Answer(Z.sigmoid(), Meaning(scores="sigmoid"))
    torch.testing.assert_close(class_logits(answer), Z, rtol=1e-5, atol=1e-6)
    assert Probability(0)(answer).tolist() == pytest.approx([1 / (1 + exp(-2)), 0.5])


def test_a_single_probability_speaks_of_two_classes() -> None:
    answer = Answer(torch.tensor([[0.2], [0.9]]), Meaning(scores="sigmoid"))
    assert class_logits(answer).tolist() == [
        pytest.approx([log(4), -log(4)], abs=1e-5),
        pytest.approx([-log(9), log(9)], abs=1e-5),
    ]
    assert class_probabilities(answer)[:, 1].tolist() == pytest.approx([0.2, 0.9])


def test_labels_each_have_a_sigmoid() -> None:
    answer = Answer(Z, Meaning(scores="multilabel"))
    assert class_logits(answer) is Z
    assert class_probabilities(answer)[0].tolist() == pytest.approx([1 / (1 + exp(-z)) for z in Z[0].tolist()])


@pytest.mark.parametrize("scores", ["softmax", "sigmoid"])
def test_probabilities_of_0_and_1_have_finite_logits(scores: Any) -> None:
    answer = Answer(torch.tensor([[1.0, 0.0, 0.0]]), Meaning(scores=scores))
    assert bool(class_logits(answer).isfinite().all())
    assert class_logits(answer).argmax(1).tolist() == [0]


def test_a_number_that_a_model_estimates_stays_the_number() -> None:
    answer = Answer(torch.tensor([[0.2], [0.9]]), Meaning(scores="sigmoid"))
    assert Value()(answer).tolist() == pytest.approx([0.2, 0.9])


def test_functions_are_given_what_the_model_returned() -> None:
    answer = Answer((FEATURES, Z.softmax(1)), Meaning(output=1, scores="softmax"))
    assert score_each(answer, [lambda out: out[0][:, 3]] * 2).tolist() == [3.0, 7.0]
    assert score_each(answer, [lambda out: out[0][:, 3], Logit(0)]).tolist() == pytest.approx(
        [3.0, log(softmax([0.0, 3.0, 1.0])[0])], abs=1e-6
    )


class Own:
    """A person's own target that names a class."""

    index = 1

    def __call__(self, outputs: Any) -> Tensor:
        return outputs[1][:, 1]

    def settle(self, outputs: Any) -> "Own":
        return self

    def text(self, names: Any) -> str:
        return "own"


def test_a_person_s_own_target_within_others_is_given_what_the_model_returned() -> None:
    answer = Answer((FEATURES, Z.softmax(1)), Meaning(output=1, scores="softmax"))
    p = [softmax(row)[1] for row in Z.tolist()]
    assert Negative(Own()).settle(answer)(answer).tolist() == pytest.approx([-x for x in p])
    both = Sum((Own(), Logit(1))).settle(answer)
    assert both(answer).tolist() == pytest.approx([x + log(x) for x in p], abs=1e-6)


def test_an_answer_is_cut_into_images_like_any_outputs() -> None:
    answer = Answer((FEATURES, Z), Meaning(output=1))
    one = rows(answer, 2, 1, 3)
    assert class_logits(one).tolist() == [[0.0, 3.0, 1.0]] * 3
    assert [tuple(t.shape) for t in tensors(answer)] == [(2, 4), (2, 3)]


@pytest.mark.parametrize("scores", ["softmax", "sigmoid", "multilabel"])
def test_other_logits_in_the_place_of_the_answer_s_own(scores: Any) -> None:
    turned = {"softmax": Z.softmax(1), "sigmoid": Z.sigmoid(), "multilabel": Z}[scores]
    other = torch.tensor([[0.3, -1.0, 2.0], [1.0, 1.0, -4.0]])
    answer = with_logits(Answer((FEATURES, turned), Meaning(output=1, scores=scores)), other)
    expected = other.log_softmax(1) if scores == "softmax" else other
    torch.testing.assert_close(class_logits(answer), expected, rtol=1e-5, atol=1e-5)
    assert answer.raw[0] is FEATURES


@pytest.mark.parametrize("wrong", [{"output": True}, {"output": 1.5}, {"scores": "percent"}, {"scores": 3}])
def test_what_cannot_be_declared(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=next(iter(wrong))):
        heatlens.load(Gap(), **wrong)
