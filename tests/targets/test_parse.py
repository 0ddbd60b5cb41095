"""Targets as people write them."""

import numpy as np
import pytest
import torch

from heatlens.targets import Classes, Contrast, Logit, Negative, Probability, Rest, Sum, classes_of, parse_target
from heatlens.words.errors import BadValue, HeatlensError, UnknownName

CLASSES = Classes(
    ("tabby", "tiger cat", "Persian cat", "crane", "crane", "time: noon"),
    (("tabby cat",), (), ("Persian",), ("bird crane",), (), ()),
    (("n02123045",), ("n02123159",), ("n02123394",), ("n02012849",), ("n03126707",), ()),
)


def parsed(text: object) -> object:
    return parse_target(text, CLASSES.find)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Logit()),
        ("", Logit()),
        (2, Logit(2)),
        ("2", Logit(2)),
        (np.int64(2), Logit(2)),
        (torch.tensor(2), Logit(2)),
        ("tabby", Logit(0)),
        ("Tiger-Cat", Logit(1)),
        ("tiger_cat", Logit(1)),
        ("tabby cat", Logit(0)),
        ("persian", Logit(2)),
        ("n02123159", Logit(1)),
        ("N03126707", Logit(4)),
        ("#1", Logit(None, 0)),
        ("#3", Logit(None, 2)),
        ("time: noon", Logit(5)),
        ("logit:tabby", Logit(0)),
        ("probability:tiger cat", Probability(1)),
        ("Probability: #2", Probability(None, 1)),
        ("rest:", Rest()),
        ("negative:1", Negative(Logit(1))),
        ("negative:#2", Negative(Logit(None, 1))),
        ("sum:tabby+tiger cat+2", Sum((Logit(0), Logit(1), Logit(2)))),
        ("contrast:tabby", Contrast(0)),
        ("contrast:", Contrast()),
        ("contrast:#2,count=2", Contrast(None, 1, count=2)),
        (
            "contrast:tabby,against=tiger cat+2,gamma=0.5,form=softmax,detach=no",
            Contrast(0, against=(1, 2), gamma=0.5, form="softmax", detach=False),
        ),
    ],
)
def test_what_is_written_is_what_is_meant(text: object, expected: object) -> None:
    assert parsed(text) == expected


def test_a_function_is_taken_as_it_is() -> None:
    def confidence(outputs: torch.Tensor) -> torch.Tensor:
        return outputs[:, 0]

    assert parsed(confidence) is confidence


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("tabbi", UnknownName, "No class is called 'tabbi'. Close: tabby"),
        ("n0212304", UnknownName, "n02123045"),
        ("contrasd:tabby", UnknownName, "No kind of target is called 'contrasd'. Close: contrast"),
        ("contrast:tabby,gama=1", UnknownName, "contrast has no setting 'gama'. Close: gamma"),
        ("contrast:tabby,form=hard", BadValue, "Expected one of 'mean', 'softmax'"),
        ("contrast:tabby,gamma=big", BadValue, "gamma='big'"),
        ("contrast:tabby,gamma", BadValue, "'gamma'. Expected setting=value"),
        ("contrast:tabby,count=0", BadValue, "count=0. Expected at least 1"),
        ("contrast:tabby,against=#2", BadValue, "against='#2'. Expected classes by name or index"),
        ("contrast:tabby,against=", BadValue, "Expected classes by name or index"),
        ("sum:tabby+2,gamma=1", BadValue, "sum with gamma. Expected no settings"),
        ("rest:tabby,gamma=1", BadValue, "rest with gamma. Expected no settings: rest has none. Write rest:tabby"),
        ("#0", BadValue, "target '#0'. Expected #1 for the strongest prediction"),
        ("#", BadValue, "target '#'"),
        ("#two", BadValue, "target '#two'"),
        ("²", UnknownName, "No class is called '²'"),
        ("--3", UnknownName, "No class is called '--3'"),
        (1.5, BadValue, "target 1.5. Expected a class index or name"),
        (True, BadValue, "target True"),
        ({"class": 1}, BadValue, "a function of the outputs"),
        (np.array([1, 2]), BadValue, "one target per image"),
        (torch.tensor(1.5), BadValue, "one class index"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_advice(text: object, error: type[HeatlensError], words: str) -> None:
    with pytest.raises(error) as refused:
        parsed(text)
    assert words in str(refused.value)


def test_of_two_classes_with_one_name_the_lower_index_is_found_and_the_wnid_tells_them_apart() -> None:
    assert (CLASSES.find("crane"), CLASSES.find("n02012849"), CLASSES.find("n03126707")) == (3, 3, 4)


def test_a_name_wins_over_another_classes_synonym() -> None:
    classes = Classes(("puma", "cougar"), (("cougar",), ("catamount",)))
    assert classes.find("cougar") == 1


def test_names_that_differ_in_signs_or_capitals_only_are_told_apart() -> None:
    classes = classes_of(["A", "a", "+", "-"])
    assert [classes.find(name) for name in ("A", "a", "+", "-")] == [0, 1, 2, 3]
    with pytest.raises(UnknownName):
        classes.find("?")


def test_names_without_a_table_are_refused_with_what_to_do() -> None:
    with pytest.raises(BadValue, match=r"classes have no names\. Expected an index\. Or give the names: classes=\[…\]"):
        parse_target("cat", Classes().find)
    assert Classes().name(7) == "class 7"


def test_classes_come_from_lists_and_from_id2label() -> None:
    assert classes_of(["a", "b"]).names == ("a", "b")
    assert classes_of({1: "dog", 0: "cat", 3: "cow"}).names == ("cat", "dog", "class 2", "cow")
    assert classes_of(None).names == ()
    with pytest.raises(BadValue, match="a list of names"):
        classes_of("cat,dog")
