"""Programs of torch.export keep their modules; TorchScript shows images and outputs only."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.engine.forward.batching import takes_one
from heatlens.models.reading.layers import list_layers
from heatlens.words.errors import BadValue, EvidenceMissing, ModelUnavailable
from helpers.networks import torchvision_model

METHODS = ["grad_cam", "layer_cam", "ablation_cam", "integrad_cam", "recipro_cam"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def resnet() -> tuple[nn.Module, Tensor]:
    return torchvision_model("resnet18")


def _program(network: nn.Module, images: Tensor, batch: object = torch.export.Dim.AUTO) -> torch.export.ExportedProgram:
    return torch.export.export(network, (images,), dynamic_shapes=({0: batch},) if batch else None)


@pytest.fixture(scope="module")
def file(resnet: tuple[nn.Module, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "resnet.pt2"
    torch.export.save(_program(*resnet), path)
    return path


def test_a_program_gives_the_maps_of_the_network(resnet: tuple[nn.Module, Tensor], file: Path) -> None:
    network, images = resnet
    subject = heatlens.load(str(file))
    assert subject.preprocessing.size == (64, 64)
    assert subject.assumed == ("preprocessing: 64x64, ImageNet mean and std",)
    assert subject.default_layers() == ("layer4",)
    for layer in ("layer4", "layer2.0.conv1"):
        ours = heatlens.attribute(subject, images, method=METHODS, target=3, layers=layer)
        theirs = heatlens.attribute(network, images, method=METHODS, target=3, layers=layer)
        for method in METHODS:
            torch.testing.assert_close(ours[method], theirs[method], rtol=1e-4, atol=1e-4)


def test_a_program_for_one_image_explains_several(resnet: tuple[nn.Module, Tensor]) -> None:
    network, images = resnet
    subject = heatlens.load(_program(network, images[:1], None))
    assert takes_one(subject.model)
    ours = heatlens.attribute(subject, images, method=METHODS, target=[3, 5], layers="layer4")
    theirs = heatlens.attribute(network, images, method=METHODS, target=[3, 5], layers="layer4")
    for method in METHODS:
        torch.testing.assert_close(ours[method], theirs[method], rtol=1e-4, atol=1e-4)
    pixels = (images * 255).byte()
    explained = heatlens.explain(subject, [pixels[0], pixels[1]], method="grad_cam")
    assert len(explained) == 2


def test_a_program_for_several_images_is_refused(resnet: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(BadValue, match=r"takes exactly 2 images\. Expected a free number of images\. Export it with"):
        heatlens.load(_program(*resnet, None))


def test_files_that_would_run_code_are_not_loaded(file: Path, tmp_path: Path) -> None:
    def changed(name: str, part: str, change: str) -> Path:
        other = tmp_path / f"{name}.pt2"
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
            for entry in old.namelist():
                content = old.read(entry)
                if entry.endswith(part):
                    was, _, now = change.partition(" -> ")
                    assert was.encode() in content
                    content = content.replace(was.encode(), now.encode(), 1)
                new.writestr(entry, content)
        return other

    trap = json.dumps("__import__('os').getcwd()").strip('"')
    traps = {
        "pickled": ("weights_config.json", '"use_pickle": false -> "use_pickle": true'),
        "evaluated": ("model.json", f"Symbol( -> {trap} + Symbol("),
        "called": ("model.json", "Symbol( -> lambdify("),
    }
    for name, (part, change) in traps.items():
        with pytest.raises(ModelUnavailable, match=f"{name}.pt2 holds objects or compiled code in "):
            heatlens.load(str(changed(name, part, change)))


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    for name in ("x.pt2", "x.ts"):
        with pytest.raises(ModelUnavailable, match="no model file"):
            heatlens.load(str(tmp_path / name))
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(ModelUnavailable, match=f"{name} cannot be read"):
            heatlens.load(str(tmp_path / name))


def test_torchscript_is_explained_by_pictures(resnet: tuple[nn.Module, Tensor], tmp_path: Path) -> None:
    network, images = resnet
    traced = torch.jit.trace(network, images)
    torch.jit.save(traced, tmp_path / "resnet.torchscript")
    settings = {"window": 32, "stride": 16}
    theirs = heatlens.attribute(network, images, method="occlusion", target=3, settings=settings)
    for model in (traced, str(tmp_path / "resnet.torchscript")):
        ours = heatlens.attribute(heatlens.load(model), images, method="occlusion", target=3, settings=settings)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_torchscript_says_what_it_cannot_show(resnet: tuple[nn.Module, Tensor]) -> None:
    network, images = resnet
    traced = torch.jit.trace(network, images)
    with pytest.raises(EvidenceMissing) as caught:
        heatlens.attribute(traced, images, method="score_cam")
    told, _, listed = str(caught.value).partition(" Methods that work: ")
    assert told == "score_cam needs activations; the layers of TorchScript cannot be looked into."
    working = listed.rstrip(".").split(", ")
    assert {"rise", "lime", "occlusion"} <= set(working)
    assert not {"grad_cam", "score_cam", "opti_cam", "eigen_cam"} & set(working)
    maps = heatlens.attribute(traced, images, method=["rise"], settings={"samples": 8})
    assert maps["rise"].shape == (2, 64, 64)
    subject = heatlens.load(traced)
    assert [layer.name for layer in list_layers(subject.model, (images,), {}, subject.reading)] == ["image"]
