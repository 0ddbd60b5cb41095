"""Whatever a person holds becomes a subject."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import heatlens
from heatlens.words.errors import BadValue, HeatlensError, ModelUnavailable, UnknownName
from helpers.networks import Gap


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Gap().eval()


IMAGES = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))


def test_any_module_is_a_subject_with_its_assumptions_said(model: nn.Module) -> None:
    subject = heatlens.load(model)
    assert subject.model is model
    assert subject.name == "Gap"
    assert subject.assumed == ("preprocessing: 224x224, ImageNet mean and std",)
    assert subject.preprocessing.mean == (0.485, 0.456, 0.406)


def test_a_subject_is_a_subject(model: nn.Module) -> None:
    subject = heatlens.load(model)
    assert heatlens.load(subject) is subject
    assert heatlens.load(subject, classes=["a", "b", "c", "d"]).classes.names == ("a", "b", "c", "d")
    assert subject.classes.names == ()


def test_weights_reach_a_subject_and_a_timm_module(model: nn.Module, tmp_path: Path) -> None:
    import timm

    for made in (lambda: heatlens.load(model), lambda: timm.create_model("test_resnet", num_classes=3)):
        held = made()
        state = {k: torch.zeros_like(v) for k, v in getattr(held, "model", held).state_dict().items()}
        torch.save(state, tmp_path / "zeros.pt")
        assert not any(bool(p.any()) for p in heatlens.load(held, weights=tmp_path / "zeros.pt").model.parameters())
        with pytest.raises(ModelUnavailable, match="no weights file"):
            heatlens.load(held, weights="gone.pt")


def test_overrides(model: nn.Module) -> None:
    subject = heatlens.load(
        model, mean=0.5, std=[0.1, 0.2, 0.3], size=96, resize="squash", interpolation="bicubic", layers="relu",
        classes={0: "a", 1: "b"}, prefix_tokens=5, grid=7,
    )  # fmt: skip
    shown = subject.preprocessing
    assert (shown.mean, shown.std, shown.size) == ((0.5,) * 3, (0.1, 0.2, 0.3), (96, 96))
    assert (shown.resize, shown.interpolation, shown.before_cut) == ("squash", "bicubic", (96, 96))
    assert subject.default_layers() == ("relu",)
    assert subject.classes.names == ("a", "b")
    assert (subject.reading.prefix_tokens, subject.reading.grid) == (5, (7, 7))
    assert subject.assumed == ()


def test_a_size_of_a_published_model_replaces_its_resizing() -> None:
    subject = heatlens.load("torchvision/resnet18", weights="none", num_classes=2, size=(64, 96))
    assert subject.preprocessing.size == subject.preprocessing.before_cut == (64, 96)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"resize": "stretch"}, UnknownName, "No way to resize is called 'stretch'"),
        ({"interpolation": "cubic"}, UnknownName, "Close: bicubic"),
        ({"size": (3, 4, 5)}, BadValue, "(height, width)"),
        ({"size": 0}, BadValue, "at least 1"),
        ({"size": "large"}, BadValue, "size='large'"),
        ({"std": 0}, BadValue, "standard deviation of 0"),
        ({"mean": (0.5, 0.5)}, BadValue, "Expected 3 numbers"),
        ({"mean": "half"}, BadValue, "mean='half'"),
        ({"grid": 2.5}, BadValue, "grid=2.5"),
        ({"classes": "cat"}, BadValue, "a list of names"),
        ({"pad_type": "same"}, BadValue, "pad_type for a model that is already built"),
        ({"device": "gpu"}, BadValue, "device 'gpu' cannot be used: there is no such kind of device"),
    ],
)
def test_what_cannot_be_overridden_so_is_refused(model: nn.Module, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as refused:
        heatlens.load(model, **options)
    assert words in str(refused.value)


@pytest.mark.parametrize("what", [None, 3, ["resnet18"], nn.Linear])
def test_what_is_no_model_is_refused(what: Any) -> None:
    with pytest.raises(BadValue, match=r"a model of type \w+\. Expected a name, a torch.nn.Module or a Subject"):
        heatlens.load(what)


def test_compiled_and_parallel_models_are_looked_into(model: nn.Module) -> None:
    expected = heatlens.attribute(model, IMAGES, target=1)
    for wrapped in (
        torch.compile(model, backend="eager"),
        nn.DataParallel(model),
        nn.DataParallel(nn.DataParallel(model)),
    ):
        assert heatlens.load(wrapped).model is model
        assert torch.equal(heatlens.attribute(wrapped, IMAGES, target=1), expected)


def test_a_model_without_any_place_has_no_default_layer() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 16, 5))
    with pytest.raises(HeatlensError, match="no layer that still has a space"):
        heatlens.attribute(flat, IMAGES)


def test_the_default_layer_is_looked_for_once(model: nn.Module) -> None:
    calls = []
    handle = model.register_forward_hook(lambda *args: calls.append(1))
    subject = heatlens.load(model)
    assert subject.default_layers(IMAGES) == subject.default_layers(IMAGES) == ("body",)
    assert len(calls) == 1
    handle.remove()


def test_every_layer_is_listed_and_one_recommended(model: nn.Module) -> None:
    from heatlens.models.reading.layers import list_layers

    subject = heatlens.load(model)
    layers = list_layers(subject.model, (IMAGES,), {}, subject.reading)
    assert [(x.name, x.kind, x.shape, x.space) for x in layers] == [
        ("body.0", "Conv2d", (2, 8, 12, 16), (12, 16)),
        ("body.1", "ReLU", (2, 8, 12, 16), (12, 16)),
        ("body.2", "MaxPool2d", (2, 8, 6, 8), (6, 8)),
        ("body.3", "Conv2d", (2, 6, 6, 8), (6, 8)),
        ("body", "Sequential", (2, 6, 6, 8), (6, 8)),
        ("relu", "ReLU", (2, 6, 6, 8), (6, 8)),
        ("head", "Linear", (2, 4), ()),
    ]
    assert [x.name for x in layers if x.recommended] == ["body"]


def test_a_model_that_was_asked_for_by_name_is_ready_to_be_used() -> None:
    assert not any(module.training for module in heatlens.load("torchvision/resnet18", "none").model.modules())
