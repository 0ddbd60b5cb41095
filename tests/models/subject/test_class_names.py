"""As many class names as classes, or one line that says both numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import heatlens
from heatlens import Subject
from heatlens.evaluate import Request, read_rows, run
from heatlens.evaluate.datasets.dataset import Item, dataset
from heatlens.images import Preprocessing
from heatlens.targets import Classes, Region
from heatlens.words.errors import BadValue
from helpers.networks import Gap

SHOWN: dict[str, Any] = {"size": 32, "mean": 0.5, "std": 0.5}
PHOTO = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)


def gap(classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return Gap(classes=classes).eval()


class Dense(nn.Module):
    """Five classes at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.look(x)


@pytest.mark.parametrize("names", [["cat"], ["cat", "dog", "cow"], list("abcde")])
def test_load_refuses_another_number_and_says_both(names: list[str]) -> None:
    with pytest.raises(BadValue) as refused:
        heatlens.load(gap(), classes=names, **SHOWN)
    plural = "s" * (len(names) > 1)
    assert str(refused.value) == (
        f"{len(names)} class name{plural} for Gap, which has 4 classes. "
        "Expected a name for each class, in the order of the outputs."
    )


def test_the_right_number_is_taken() -> None:
    found = heatlens.explain(heatlens.load(gap(), classes=["cat", "dog", "cow", "hen"], **SHOWN), PHOTO, target="cow")
    assert (found.name, found.index) == ("cow", 2)


def test_a_model_with_one_output_speaks_of_two_classes() -> None:
    with pytest.raises(BadValue, match=r"1 class name for Gap, which has 2 classes, no and yes, as its one output"):
        heatlens.load(gap(1), classes=["smoke"], **SHOWN)
    found = heatlens.explain(heatlens.load(gap(1), classes=["clear", "smoke"], **SHOWN), PHOTO, target="smoke")
    assert found.index == 1


def test_by_index_there_may_be_fewer_but_not_more() -> None:
    some = heatlens.load(gap(), classes={2: "cow"}, **SHOWN)
    found = heatlens.explain(some, PHOTO, target=["cow", 3])
    assert [e.name for e in found] == ["cow", "class 3"]
    with pytest.raises(BadValue, match="6 class names for Gap, which has 4 classes"):
        heatlens.load(gap(), classes={5: "sow"}, **SHOWN)


@pytest.mark.parametrize("names", [[], (), {}])
def test_no_names_at_all_are_refused(names: Any) -> None:
    with pytest.raises(BadValue, match="an empty list of class names"):
        heatlens.load(gap(), classes=names, **SHOWN)
    assert len(heatlens.load(gap(), classes=Classes(), **SHOWN).classes) == 0


def test_a_subject_made_by_hand_is_refused_when_it_is_asked() -> None:
    subject = Subject("mine", gap(), Preprocessing((32, 32)), Classes(("cat", "dog")), layers=("relu",))
    for ask in (
        lambda: heatlens.explain(subject, PHOTO),
        lambda: heatlens.explain(subject, [PHOTO] * 9, batch_size=1),
        lambda: heatlens.attribute(subject, torch.rand(1, 3, 32, 32), target=3),
        lambda: heatlens.measure(subject, PHOTO, "complexity"),
    ):
        with pytest.raises(BadValue, match="2 class names for mine, which has 4 classes"):
            ask()


def test_places_of_a_segmentation_have_classes_too() -> None:
    names = Classes(tuple("abcd"))
    subject = Subject("dense", Dense().eval(), Preprocessing((16, 16)), names, layers=("look",), usual=Region())
    with pytest.raises(BadValue, match="4 class names for dense, which has 5 classes"):
        heatlens.explain(subject, PHOTO)
    with pytest.raises(BadValue, match="3 class names for dense, which has 5 classes"):
        heatlens.load(subject, classes=list("abc"))


def test_what_is_no_score_of_classes_is_not_counted() -> None:
    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 7, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.look(x)

    subject = Subject("trunk", Embedding().eval(), Preprocessing((16, 16)), Classes(("cat", "dog")), layers=("look",))
    found = heatlens.attribute(subject, torch.rand(1, 3, 16, 16), target=lambda out: out[:, 3].mean((1, 2)))
    assert found.shape == (1, 16, 16)


def test_an_evaluation_ends_at_once(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "x.png")
    subject = Subject("mine", gap(), Preprocessing((32, 32)), Classes(("cat", "dog")), layers=("relu",))
    request = Request(
        dataset("one", [Item("x", tmp_path / "x.png")]), (subject,), (heatlens.Recipe("fem"),), ("complexity",)
    )
    with pytest.raises(BadValue, match="2 class names for mine, which has 4 classes"):
        run(request, tmp_path / "out")
    with pytest.raises(BadValue, match="no results"):
        read_rows(tmp_path / "out")
