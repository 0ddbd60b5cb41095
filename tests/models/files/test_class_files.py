"""Files of class names as data sets have them, and networks with as many outputs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import resnet18

import heatlens
from heatlens.models.files.class_files import read_class_file
from heatlens.words.errors import BadSetting, BadValue

PLACES = "/a/airfield 0\n/a/apartment_building/outdoor 1\n\n/b/bridge 3\n/b/bedroom 2\n"
"""As in Places: a folder of the first letter, the name, the number."""


@pytest.fixture
def names(tmp_path: Path) -> Any:
    def written(text: str) -> Path:
        (tmp_path / "names.txt").write_text(text, "utf-8")
        return tmp_path / "names.txt"

    return written


def test_names_of_places(names: Any) -> None:
    """`line.strip().split(' ')[0][3:]` in their own code; the number is the place."""
    found = read_class_file(names(PLACES))
    assert found.names == ("airfield", "apartment_building/outdoor", "bedroom", "bridge")
    assert found.find("Bridge") == 3
    assert found.find("apartment building outdoor") == 1


def test_numbers_that_are_part_of_the_names(names: Any) -> None:
    assert read_class_file(names("boeing 737\nboeing 747\n")).names == ("boeing 737", "boeing 747")
    assert read_class_file(names("a 1\nb 2\n")).names == ("a", "b")
    assert read_class_file(names("a 0\nb 0\n")).names == ("a 0", "b 0")
    assert read_class_file(names("cat\ndog 1\n")).names == ("cat", "dog 1")


def test_names_of_imagenet(names: Any) -> None:
    found = read_class_file(names("n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"))
    assert found.names == ("tench", "goldfish")
    assert (found.find("tinca tinca"), found.find("n01443537")) == (0, 1)


def test_files_that_are_none(names: Any, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="an empty list of names"):
        read_class_file(names("\n  \n"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "binary.txt", tmp_path / "gone.txt", tmp_path):
        with pytest.raises(BadValue, match="one name per line"):
            read_class_file(path)


@pytest.mark.parametrize("model", ["torchvision/resnet18", "resnet18", "timm/resnet18"])
def test_the_number_of_classes_comes_from_the_names(model: str, names: Any, tmp_path: Path) -> None:
    subject = heatlens.load(model, weights="none", classes=names(PLACES))
    assert subject.model.fc.out_features == len(subject.classes) == 4
    torch.save({"state_dict": subject.model.state_dict()}, tmp_path / "own.pth.tar")
    again = heatlens.load(model, weights=tmp_path / "own.pth.tar", classes=str(names(PLACES)))
    assert torch.equal(again.model.fc.weight, subject.model.fc.weight)
    assert again.classes.names[3] == "bridge"


def test_what_the_file_of_weights_holds_counts(names: Any, tmp_path: Path) -> None:
    torch.save(resnet18().state_dict(), tmp_path / "imagenet.pth")
    with pytest.raises(BadSetting, match="4 class names for torchvision/resnet18, which has 1000 classes"):
        heatlens.load("torchvision/resnet18", weights=tmp_path / "imagenet.pth", classes=names(PLACES))
    with pytest.raises(BadSetting, match="4 class names"):
        heatlens.load("torchvision/resnet18", weights="none", num_classes=7, classes=names(PLACES))
