"""heatlens.describe: classes, the vote of their kinds, attributes, as Places' own demo computes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import heatlens
from heatlens import Description
from heatlens.images import Preprocessing, prepare, read_photo
from heatlens.words.errors import BadValue, EvidenceMissing
from helpers.networks import Gap

CLASSES = [f"place{i}" for i in range(23)]
PHOTOS = [np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8) for i in range(5)]


@pytest.fixture(scope="module")
def subject() -> heatlens.Subject:
    torch.manual_seed(0)
    shown = Preprocessing(size=(32, 32), resize="squash")
    model = Gap(classes=23).eval()
    torch.nn.init.normal_(model.head.weight, 0, 9)
    return heatlens.load(heatlens.Subject("gap", model, shown), classes=CLASSES)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The files of Places' demo, small, those of the kinds in another order than the classes."""
    random = np.random.default_rng(1)
    kinds = random.integers(1, 3, 23)
    order = random.permutation(23)
    (tmp_path / "io.txt").write_text("".join(f"/p/{CLASSES[c]} {kinds[c]}\n" for c in order))
    (tmp_path / "attributes.txt").write_text("".join(f"attribute {a} \n" for a in range(17)))
    np.save(tmp_path / "W.npy", random.normal(size=(17, 6)))
    np.save(tmp_path / "kinds.npy", kinds)
    return {name.stem: name for name in tmp_path.iterdir()}


def demo(subject: heatlens.Subject, photo: Any, folder: Path) -> tuple[str, list[int], list[float], list[str]]:
    """run_placesCNN_unified.py, line by line."""
    labels_io = np.load(folder / "kinds.npy") - 1
    weights = np.load(folder / "W.npy")
    names = [line.rstrip() for line in (folder / "attributes.txt").read_text().splitlines()]
    image, _ = prepare(read_photo(photo), subject.preprocessing)
    with torch.no_grad():
        features = subject.model.relu(subject.model.body(image[None])).mean((2, 3))
        probs, idx = subject.model(image[None]).softmax(1)[0].sort(0, True)
    io_image = np.mean(labels_io[idx.numpy()[:10]])
    responses = weights.dot(features[0].numpy())
    idx_a = np.argsort(responses)
    kind = "indoor" if io_image < 0.5 else "outdoor"
    return kind, idx.tolist(), probs.tolist(), [names[idx_a[i]] for i in range(-1, -10, -1)]


def test_the_demos_answers(subject: heatlens.Subject, files: dict[str, Path]) -> None:
    asked = {"kinds": files["io"], "attributes": files["attributes"], "attribute_weights": files["W"]}
    found = heatlens.describe(subject, PHOTOS, **asked, batch_size=2)
    kinds = set()
    for photo, one in zip(PHOTOS, found, strict=True):
        kind, idx, probs, attributes = demo(subject, photo, files["io"].parent)
        assert one.kind == kind
        assert sum(one.votes.values()) == 10
        assert [name for name, _ in one.predictions] == [CLASSES[i] for i in idx[:5]]
        assert [likely for _, likely in one.predictions] == pytest.approx(probs[:5], rel=1e-4)
        assert [name for name, _ in one.attributes[:9]] == attributes
        kinds.add(kind)
    assert isinstance(heatlens.describe(subject, PHOTOS[0]), Description)
    assert heatlens.describe(subject, PHOTOS[0]).kind is None


def test_as_many_votes_for_each_kind_are_outdoor(subject: heatlens.Subject) -> None:
    """A mean of 0.5 is not below 0.5."""
    first = heatlens.describe(subject, PHOTOS[0], top=10)
    order = [CLASSES.index(name) for name, _ in first.predictions]
    kinds = ["indoor" if c in order[:5] else "outdoor" for c in range(23)]
    one = heatlens.describe(subject, PHOTOS[0], kinds=kinds)
    assert (one.kind, one.votes) == ("outdoor", {"indoor": 5, "outdoor": 5})
    assert heatlens.describe(subject, PHOTOS[0], kinds=kinds, votes=9).kind == "indoor"


def test_mistakes(subject: heatlens.Subject, files: dict[str, Path]) -> None:
    for asked, said in (
        ({"kinds": ["in", "out"]}, "2 kinds for 23 classes"),
        ({"kinds": files["attributes"].parent / "gone.txt"}, "gone"),
        ({"attributes": ["a"]}, "attributes without weights"),
        ({"attributes": ["a"], "attribute_weights": np.ones((2, 6))}, "1 attributes and weights of"),
        ({"attributes": ["a"], "attribute_weights": np.ones((1, 5))}, "for 6 features"),
        ({"attributes": ["a"], "attribute_weights": files["io"]}, "a .npy file"),
    ):
        with pytest.raises(BadValue, match=said):
            heatlens.describe(subject, PHOTOS[0], **asked)
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(EvidenceMissing, match="ends in no dense layer"):
        heatlens.describe(flat, PHOTOS[0], attributes=["a"], attribute_weights=np.ones((1, 4)))


def test_the_model_is_left_as_it_was(subject: heatlens.Subject, files: dict[str, Path]) -> None:
    subject.model.train()
    heatlens.describe(subject, PHOTOS[0], attributes=files["attributes"], attribute_weights=files["W"])
    assert subject.model.training
    assert not any(module._forward_pre_hooks for module in subject.model.modules())
    subject.model.eval()
    found = heatlens.describe(subject, [PHOTOS[0], "gone.jpg"])
    assert [bool(one) for one in found] == [True, False]


def test_on_the_command_line(subject: heatlens.Subject, files: dict[str, Path], tmp_path: Path) -> None:
    from click.testing import CliRunner
    from PIL import Image

    from heatlens.cli import cli

    for i, pixels in enumerate(PHOTOS[:2]):
        Image.fromarray(pixels).save(tmp_path / f"photo{i}.png")
    (tmp_path / "names.txt").write_text("".join(f"/p/{name} {i}\n" for i, name in enumerate(CLASSES)))
    torch.manual_seed(0)
    network = heatlens.load("torchvision/squeezenet1_1", weights="none", classes=tmp_path / "names.txt")
    assert network.model.num_classes == 23
    resnet = heatlens.load("torchvision/resnet18", weights="none", classes=tmp_path / "names.txt").model
    torch.save(resnet.state_dict(), tmp_path / "places.pth")
    np.save(tmp_path / "W512.npy", np.random.default_rng(0).normal(size=(17, 512)))
    words = ["describe", str(tmp_path / "photo0.png"), str(tmp_path / "photo1.png"), "-m", "torchvision/resnet18",
             "--weights", str(tmp_path / "places.pth"), "--class-names", str(tmp_path / "names.txt"),
             "--kinds", str(files["io"]), "--attributes", str(files["attributes"]),
             "--attribute-weights", str(tmp_path / "W512.npy")]  # fmt: skip
    said = CliRunner().invoke(cli, words, standalone_mode=False)
    assert said.return_value == 0, said.output
    again = heatlens.load("torchvision/resnet18", tmp_path / "places.pth", classes=tmp_path / "names.txt")
    one, _ = heatlens.describe(again, [tmp_path / "photo0.png", tmp_path / "photo1.png"], kinds=files["io"],
                               attributes=files["attributes"], attribute_weights=tmp_path / "W512.npy")  # fmt: skip
    lines = said.output.splitlines()
    assert lines[0].startswith(f"photo0: {one.predictions[0][0]} {one.predictions[0][1]:.1%}, ")
    assert lines[1].startswith(f"  {one.kind} (")
    assert lines[2] == f"  {', '.join(name for name, _ in one.attributes[:9])}"
    told = json.loads(CliRunner().invoke(cli, [*words, "--json"], standalone_mode=False).output)
    assert [t["kind"] for t in told] == [lines[1].split()[0], lines[4].split()[0]]
