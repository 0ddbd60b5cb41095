"""ONNX files: both exporters of torch, both runtimes; what ONNX Runtime says is what the module said."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import heatlens
from heatlens.cli import cli
from heatlens.engine.forward.batching import takes_one
from heatlens.engine.runtimes.shell import Shell
from heatlens.words.errors import BadValue, EvidenceMissing, ModelUnavailable
from helpers.networks import timm_model, torchvision_model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
SIDE = 64


class File:
    """A network, two images, and the file it was exported to."""

    def __init__(self, network: nn.Module, images: Tensor, path: Path) -> None:
        self.network, self.images, self.path = network, images, path


def _exported(network: nn.Module, images: Tensor, path: Path, *, dynamo: bool, free: bool) -> File:
    if dynamo:
        shapes = ({0: torch.export.Dim.DYNAMIC},) if free else None
        shown = images if free else images[:1]
        torch.onnx.export(
            network, (shown,), path, dynamo=True, external_data=False, verbose=False, dynamic_shapes=shapes
        )
    else:
        axes = {"images": {0: "n"}, "scores": {0: "n"}} if free else None
        names: dict[str, Any] = {"input_names": ["images"], "output_names": ["scores"], "dynamic_axes": axes}
        torch.onnx.export(network, (images[:1],), path, dynamo=False, **names)
    return File(network, images, path)


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    return {
        "mobilenet": torchvision_model("mobilenet_v3_small", SIDE),
        "resnet": torchvision_model("resnet18", SIDE),
        "vit": timm_model("vit_tiny_patch16_224", SIDE, img_size=SIDE, depth=2),
    }


CASES = [
    ("resnet", True, True),
    ("resnet", False, False),
    ("mobilenet", False, True),
    ("vit", True, True),
    ("vit", True, False),
    ("vit", False, True),
]


@pytest.fixture(
    scope="module", params=CASES, ids=lambda c: f"{c[0]}-{'new' if c[1] else 'old'}-{'free' if c[2] else 'fixed'}"
)
def file(
    request: pytest.FixtureRequest,
    networks: dict[str, tuple[nn.Module, Tensor]],
    tmp_path_factory: pytest.TempPathFactory,
) -> File:
    name, dynamo, free = request.param
    path = tmp_path_factory.mktemp("onnx") / f"{name}.onnx"
    return _exported(*networks[name], path, dynamo=dynamo, free=free)


LAYER = {"resnet": "layer4", "mobilenet": "features", "vit": "blocks.1.norm1"}
"""The torch network's layer that says what the graph's default layer says."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_maps_are_those_of_the_network_that_was_exported(file: File, runtime: str) -> None:
    subject = heatlens.load(str(file.path), runtime=runtime)
    assert subject.preprocessing.size == (SIDE, SIDE)
    assert isinstance(subject.model, Shell) == (runtime == "onnxruntime")
    assert subject.assumed == ("preprocessing: 64x64, ImageNet mean and std",)
    methods = ["recipro_cam", "eigen_cam", *(["grad_cam", "layer_cam"] if runtime == "torch" else [])]
    layer = LAYER[file.path.stem]
    asked = {"method": methods, "target": 3, "upsample": False}
    ours = heatlens.attribute(subject, file.images, **asked)
    theirs = heatlens.attribute(file.network, file.images, layers=layer, **asked)
    for method in methods:
        torch.testing.assert_close(
            ours[method], theirs[method], rtol=1e-3, atol=1e-4 * float(theirs[method].abs().max())
        )


def test_layers_have_the_same_names_in_both_runtimes(file: File) -> None:
    names = [heatlens.load(str(file.path), runtime=runtime).default_layers() for runtime in ("torch", "onnxruntime")]
    assert names[0] == names[1]


@pytest.fixture(scope="module")
def resnet(networks: dict[str, tuple[nn.Module, Tensor]], tmp_path_factory: pytest.TempPathFactory) -> File:
    path = tmp_path_factory.mktemp("onnx") / "resnet.onnx"
    return _exported(*networks["resnet"], path, dynamo=False, free=True)


def test_a_replay_is_the_graph_behind_the_layer_and_no_more(resnet: File) -> None:
    subject = heatlens.load(str(resnet.path), runtime="onnxruntime")
    runtime = subject.model.runtime
    opened: list[tuple[list[str], int]] = []
    make = runtime._session

    def counting(entering: Any, leaving: Any) -> Any:
        session = make(entering, leaving)
        opened.append(([i.name for i in session.get_inputs()], len(leaving)))
        return session

    runtime._session = counting
    ours = heatlens.attribute(
        subject, resnet.images, method="ablation_cam", target=3, layers="layer3/layer3/1/relu_1/Relu"
    )
    theirs = heatlens.attribute(resnet.network, resnet.images, method="ablation_cam", target=3, layers="layer3")
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))
    assert [inputs for inputs, _ in opened] == [["images"], ["/layer3/layer3.1/relu_1/Relu_output_0"]]


def test_without_gradients_the_error_lists_what_works(resnet: File) -> None:
    subject = heatlens.load(str(resnet.path), runtime="onnxruntime")
    with pytest.raises(EvidenceMissing) as caught:
        heatlens.attribute(subject, resnet.images)
    message = str(caught.value)
    told, _, listed = message.partition(" Methods that work: ")
    assert told == "grad_cam needs gradients; an ONNX Runtime session has none."
    working = listed.rstrip(".").split(", ")
    assert {"score_cam", "recipro_cam", "eigen_cam", "rise", "lime"} <= set(working)
    assert not {"grad_cam", "opti_cam", "full_grad", "guided_backprop", "cam", "integrad_cam"} & set(working)


def test_listed_methods_do_work_and_no_other(resnet: File) -> None:
    subject = heatlens.load(str(resnet.path), runtime="onnxruntime")
    assert subject.lacking is not None
    few = {"rise": {"masks": 8}, "lime": {"samples": 16}, "ss_cam": {"samples": 2}, "is_cam": {"samples": 2}}
    slow = {"score_cam", "poly_cam", "ss_cam", "is_cam", "occlusion", "vit_cx", "lime", "rise"}
    asked = [name for name in subject.lacking.working() if name not in slow | {"cluster_cam", "centre"}]
    for name in asked:
        maps = heatlens.attribute(subject, resnet.images, method=name, target=3, settings=few.get(name), upsample=False)
        assert maps.shape[0] == 2, name


def test_a_method_of_ones_own_that_slips_through_is_told_too(resnet: File) -> None:
    subject = heatlens.load(str(resnet.path), runtime="onnxruntime")

    def slopes(images: Tensor, score_under: Any) -> Tensor:
        leaf = images.clone().requires_grad_()
        with torch.enable_grad():
            y = score_under(lambda image, k: leaf[image].expand(len(k), -1, -1, -1), 1)
            return torch.autograd.grad(y.sum(), leaf)[0].sum(1)

    with pytest.raises(EvidenceMissing, match="an ONNX Runtime session, which has none"):
        heatlens.attribute(subject, resnet.images, method=slopes, layers=subject.default_layers()[0])


def test_a_fixed_batch_is_freed_or_kept_to_one_image(
    networks: dict[str, tuple[nn.Module, Tensor]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    flat = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), *pooled)
    freed = _exported(flat.eval(), networks["vit"][1], tmp_path / "flat.onnx", dynamo=True, free=False)
    shapes = [n.input[1] for n in onnx.load(freed.path).graph.node if n.op_type == "Reshape"]
    assert shapes, "the batch of 1 is written into a shape"
    subject = heatlens.load(str(freed.path), runtime="onnxruntime")
    assert not takes_one(subject.model)
    torch.testing.assert_close(subject.model(freed.images), freed.network(freed.images), rtol=1e-3, atol=1e-4)
    kept = _exported(*networks["vit"], tmp_path / "vit.onnx", dynamo=True, free=False)
    assert takes_one(heatlens.load(str(kept.path)).model)


def test_a_conversion_that_lies_is_found_out(resnet: File, monkeypatch: pytest.MonkeyPatch) -> None:
    from heatlens.models.files.onnx import load as adapter

    convert = adapter.converted

    def wrong(graph: Any) -> nn.Module:
        module = convert(graph)
        with torch.no_grad():
            next(module.parameters()).mul_(1.1)
        return module

    monkeypatch.setattr(adapter, "converted", wrong)
    subject = heatlens.load(str(resnet.path))
    assert isinstance(subject.model, Shell)
    assert subject.remarks == (
        "no gradients: resnet.onnx cannot be run by torch (its outputs differ from ONNX Runtime's)",
    )
    with pytest.raises(BadValue, match="cannot be run by torch: its outputs differ"):
        heatlens.load(str(resnet.path), runtime="torch")


def test_converting_registers_nothing_with_onnx2torch(resnet: File) -> None:
    from onnx2torch import converter
    from onnx2torch.node_converters import registry

    before = dict(registry._CONVERTER_REGISTRY), converter.get_converter
    heatlens.load(str(resnet.path))
    assert (registry._CONVERTER_REGISTRY, converter.get_converter) == before


class Odd(nn.Module):
    """Channels last, a softmax at the end, one grey channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.conv(images.permute(0, 3, 1, 2)).relu().mean((2, 3))).softmax(1)


def test_channels_last_softmax_and_metadata(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = Odd().eval(), tmp_path / "odd.onnx"
    images = torch.rand(2, 24, 32, 1)
    axes = {"images": {0: "n"}, "scores": {0: "n"}}
    torch.onnx.export(
        network, (images,), path, dynamo=False, input_names=["images"], output_names=["scores"], dynamic_axes=axes
    )
    model = onnx.load(path)
    for key, value in {"mean": "[0.5]", "std": "0.25", "names": "{0: 'ant', 1: 'bee', 2: 'cat', 3: 'dog'}"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    for runtime in ("torch", "onnxruntime"):
        subject = heatlens.load(str(path), runtime=runtime)
        assert subject.preprocessing.size == (24, 32)
        assert (subject.preprocessing.mean, subject.preprocessing.std) == ((0.5,), (0.25,))
        assert subject.classes.names == ("ant", "bee", "cat", "dog")
        assert subject.assumed == ()
        assert subject.remarks == ("the scores are what enters the final softmax",)
        logits = subject.model(images.movedim(-1, 1))
        torch.testing.assert_close(logits.softmax(1), network(images))
        assert logits.sum(1).abs().min() > 1e-3
        photo = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        explained = heatlens.explain(subject, photo, method="eigen_cam", target="bee")
        assert explained.name == "bee"
        assert any("final softmax" in warning for warning in explained.warnings)


def test_the_command_line_takes_files(resnet: File, tmp_path: Path) -> None:
    from PIL import Image

    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8)).save(photo)
    listed = CliRunner().invoke(cli, ["layers", str(resnet.path), "--model-arg", "runtime=onnxruntime"])
    assert listed.exit_code == 0, listed.output
    assert re.search(r"\* \d+ +layer4/layer4/1/relu_1/Relu ", listed.output)
    assert "1x512x2x2" in listed.output
    done = CliRunner().invoke(
        cli, ["explain", str(photo), "--model", str(resnet.path), "--out", str(tmp_path / "out"), "--quiet"],
        standalone_mode=False,
    )  # fmt: skip
    assert done.exception is None, done.output
    assert (tmp_path / "out" / "explanations.json").is_file()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no ONNX file"):
        heatlens.load(str(tmp_path / "absent.onnx"))
    (tmp_path / "broken.onnx").write_bytes(b"not a graph at all")
    with pytest.raises(ModelUnavailable, match=r"broken\.onnx cannot be read"):
        heatlens.load(str(tmp_path / "broken.onnx"))


def test_options_that_are_none(resnet: File) -> None:
    with pytest.raises(BadValue, match="runtime='tensorrt'"):
        heatlens.load(str(resnet.path), runtime="tensorrt")
    with pytest.raises(BadValue, match="num_classes for"):
        heatlens.load(str(resnet.path), num_classes=3)
    with pytest.raises(BadValue, match="the file has its own"):
        heatlens.load(str(resnet.path), "weights.pt")
