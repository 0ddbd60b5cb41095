"""Networks inside wrappers, in half precision, and with int8 layers."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.errors import EvidenceMissing
from networks import timm_model, torchvision_model

METHODS = ["grad_cam", "layer_cam", "ablation_cam", "eigen_cam"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def resnet() -> tuple[nn.Module, Tensor]:
    return torchvision_model("resnet18")


@pytest.fixture(scope="module")
def group() -> Iterator[None]:
    """A process group of one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: torch.compile(m, backend="eager"),
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        lambda m: torch.compile(nn.DataParallel(m), backend="eager"),
    ],
    ids=["compile", "DataParallel", "DDP", "both"],
)
def test_a_wrapper_changes_nothing(resnet: tuple[nn.Module, Tensor], wrap: object) -> None:
    network, images = resnet
    wrapped = wrap(network)  # type: ignore[operator]
    assert heatlens.load(wrapped).default_layers(images) == ("layer4",)
    ours = heatlens.attribute(wrapped, images, method=METHODS, target=3, layers="layer4")
    theirs = heatlens.attribute(network, images, method=METHODS, target=3, layers="layer4")
    for method in METHODS:
        assert torch.equal(ours[method], theirs[method])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
def test_half_precision_gives_the_map_in_single(kind: torch.dtype) -> None:
    network, images = torchvision_model("resnet18")
    theirs = heatlens.attribute(network, images, method=METHODS, target=3, upsample=False)
    ours = heatlens.attribute(network.to(kind), images, method=METHODS, target=3, upsample=False)
    for method in METHODS:
        assert ours[method].dtype == torch.float32
        if method != "ablation_cam":  # which divides differences that half precision does not resolve
            alike = torch.cosine_similarity(ours[method].flatten(1), theirs[method].flatten(1))
            assert alike.min() > 0.98, method


def _dynamic() -> tuple[nn.Module, nn.Module, Tensor]:
    from torch.ao.quantization import quantize_dynamic

    network, images = timm_model("vit_tiny_patch16_224", img_size=64, depth=2)
    return network, quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8), images


def _static() -> tuple[nn.Module, nn.Module, Tensor]:
    from torch.ao import quantization
    from torchvision.models.quantization import resnet18

    torch.manual_seed(0)
    engines = torch.backends.quantized.supported_engines
    torch.backends.quantized.engine = "x86" if "x86" in engines else "qnnpack"
    network, images = resnet18(weights=None, num_classes=11).eval(), torch.rand(2, 3, 64, 64)
    network.fuse_model()
    plain, _ = torchvision_model("resnet18")
    network.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    prepared = quantization.prepare(network)
    prepared(images)
    return plain, quantization.convert(prepared), images


@pytest.mark.parametrize("make", [_dynamic, _static], ids=["dynamic", "static"])
def test_int8_layers_are_read_and_replaced_without_gradients(make: object) -> None:
    _, network, images = make()  # type: ignore[operator]
    subject = heatlens.load(network)
    (layer,) = subject.default_layers(images)
    maps = heatlens.attribute(subject, images, method=["ablation_cam", "recipro_cam", "eigen_cam"], upsample=False)
    assert all(bool(found.isfinite().all()) for found in maps.values())
    assert bool(maps["eigen_cam"].any())
    with pytest.raises(EvidenceMissing, match=r"^grad_cam needs gradients; int8 layers have none\. Methods that work: abl"):
        heatlens.attribute(subject, images, layers=layer)


def test_an_int8_transformer_attends_where_its_float_twin_does() -> None:
    plain, network, images = _dynamic()
    ours = heatlens.attribute(network, images, method="eigen_cam", layers="blocks.1.norm1", upsample=False)
    theirs = heatlens.attribute(plain, images, method="eigen_cam", layers="blocks.1.norm1", upsample=False)
    assert torch.cosine_similarity(ours.flatten(1), theirs.flatten(1)).min() > 0.95


def test_the_replay_of_an_int8_layer_equals_replacing_its_output() -> None:
    """Against a hook that hands on the changed numbers in the int8 units of the layer."""
    _, network, images = _static()
    one, shares = images[:1], torch.tensor([0.0, 0.3, 0.6, 1.0])

    def scores(activations: Tensor, score_with: Any) -> Tensor:
        y = score_with(lambda stack, k: stack * shares[k, None, None, None], len(shares))
        return y[:, :, None] + 0 * activations[:, :1, :1, 0]

    found = heatlens.attribute(network, one, method=scores, target=3, layers="layer3", upsample=False)
    layer, said = network.get_submodule("layer3"), []
    handle = layer.register_forward_hook(lambda module, args, output: said.append(output))
    network(one)
    handle.remove()
    for k, share in enumerate(shares):
        units = said[0].q_scale(), said[0].q_zero_point(), torch.quint8
        new = torch.quantize_per_tensor(said[0].dequantize() * share, *units)
        handle = layer.register_forward_hook(lambda module, args, output, new=new: new)
        expected = network(one)[0, 3]
        handle.remove()
        torch.testing.assert_close(found[0, k, 0], expected)
