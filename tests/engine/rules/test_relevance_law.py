"""Nothing of the score is lost on the way back: the law of relevance in networks as libraries build them.

    y = sum X * G_X + sum_b sum b * G_b + sum_softmax sum (s * G_s - l * G_l)

b runs over everything constant that is added on the way, l and s over what goes into a softmax and comes out.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import heatlens
from heatlens.engine.attention.attention_pass import frozen
from heatlens.engine.attention.unfused import attending
from heatlens.engine.rules import rules
from heatlens.words.trees import map_tensors, tensors
from helpers.networks import timm_model, torchvision_model, transformers_model

Made = tuple[nn.Module, Tensor]
SMALL = {"embed_dim": 24, "depth": 3, "num_heads": 3}
HUGGING = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 48}
PATCHES = {"image_size": 32, "patch_size": 8}
SWIN = {"embed_dim": 12, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}


def _torchvision_vit() -> Made:
    from torchvision.models import VisionTransformer

    from helpers.networks import lively

    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    return lively(VisionTransformer(32, 8, 3, 3, 24, 48, num_classes=11), images), images


NETWORKS: dict[str, Callable[[], Made]] = {
    "ViT": lambda: timm_model("vit_tiny_patch16_224", 32, img_size=32, patch_size=8, **SMALL),
    "DeiT, distilled": lambda: timm_model("deit_tiny_distilled_patch16_224", 32, img_size=32, patch_size=8, **SMALL),
    "ViT with registers and layer scale": lambda: timm_model(
        "vit_small_patch14_reg4_dinov2", 32, img_size=32, patch_size=8, **SMALL
    ),
    "ViT pooled by a learnt query": lambda: timm_model(
        "vit_base_patch16_siglip_224", 32, img_size=32, patch_size=8, **SMALL
    ),
    "EVA-02: SwiGLU, rotary positions": lambda: timm_model(
        "eva02_tiny_patch14_224", 32, img_size=32, patch_size=8, **SMALL
    ),
    "BEiT: relative positions": lambda: timm_model("beit_base_patch16_224", 32, img_size=32, patch_size=8, **SMALL),
    "CaiT: talking heads, class attention": lambda: timm_model("cait_xxs24_224", 32, img_size=32, **SMALL),
    "Swin": lambda: timm_model("swin_tiny_patch4_window7_224", 32, img_size=32, **SWIN),
    "Swin V2: cosine attention": lambda: timm_model("swinv2_tiny_window8_256", 32, img_size=32, **SWIN),
    "MaxViT": lambda: timm_model("test_maxvit", 160),
    "MLP-Mixer with gates": lambda: timm_model("gmixer_12_224", 64, img_size=64),
    "ConvNeXt": lambda: timm_model("convnext_atto", 64, depths=(1, 1, 2, 1), dims=(8, 12, 16, 24)),
    "ConvNeXt V2: global response norm": lambda: timm_model(
        "convnextv2_atto", 64, depths=(1, 1, 2, 1), dims=(8, 12, 16, 24)
    ),
    "PoolFormer": lambda: timm_model("poolformer_s12", 64),
    "EfficientNet: SiLU, squeeze and excite": lambda: timm_model("test_efficientnet", 64),
    "MobileNet V3: hard swish, hard gates": lambda: timm_model("mobilenetv3_small_050", 64),
    "XCiT: attention of channels": lambda: timm_model(
        "xcit_nano_12_p16_224", 64, img_size=64, embed_dim=24, depth=2, num_heads=3
    ),
    "MobileNet V2: ReLU6": lambda: torchvision_model("mobilenet_v2", 64),
    "ResNet": lambda: torchvision_model("resnet18", 64),
    "DenseNet": lambda: torchvision_model("densenet121", 64),
    "SqueezeNet": lambda: torchvision_model("squeezenet1_1", 64),
    "ViT of torchvision": _torchvision_vit,
    "ViT of transformers": lambda: transformers_model("ViT", 32, **HUGGING, **PATCHES),
    "DINOv2 of transformers": lambda: transformers_model("Dinov2", 32, **HUGGING, **PATCHES),
    "Swin of transformers": lambda: transformers_model(
        "Swin", 32, image_size=32, embed_dim=12, depths=[1, 1], num_heads=[1, 2], window_size=4
    ),
    "CLIP of transformers": lambda: transformers_model(
        "CLIP", 32, vision_config={**HUGGING, **PATCHES}, text_config={**HUGGING}
    ),
    "SigLIP of transformers": lambda: transformers_model(
        "Siglip", 32, vision_config={**HUGGING, **PATCHES}, text_config={**HUGGING}
    ),
}


class Constants(TorchFunctionMode):
    """What every affine operation adds of its own, and what goes into and comes out of every softmax."""

    AFFINE = frozenset(
        {"linear", "conv1d", "conv2d", "layer_norm", "group_norm", "batch_norm", "add", "add_", "sub", "rsub", "cat",
         "__rsub__", "masked_fill"}
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.added: list[tuple[Tensor, Tensor]] = []
        self.softmaxes: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        before = map_tensors(lambda x: torch.zeros_like(x) if x.requires_grad else x, (args, given))
        moves = any(x.requires_grad for x in tensors((args, given)))
        out = func(*args, **given)
        if moves and func.__name__ in self.AFFINE:
            pure = {"add_": torch.add}.get(func.__name__, func)
            with torch.no_grad():
                self.added.append((out, pure(*before[0], **before[1])))
            return out if func.__name__ == "add_" else out.clone()  # a ReLU may write into it
        if moves and func.__name__ == "softmax":
            self.softmaxes.append((args[0], out))
        return out


def terms(model: nn.Module, images: Tensor, rule: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """y, and the law's three sums."""
    leaf = images.clone().requires_grad_()
    constants = Constants()
    with frozen(model), rules.modified(rule), constants, attending(model):
        outputs = model(leaf * 1)
        y = getattr(outputs, "logits", outputs).amax(1).sum()
    inside, outside = ([pair[k] for pair in constants.softmaxes] for k in (0, 1))
    nodes = [leaf, *(out for out, _ in constants.added), *inside, *outside]
    flows = iter(torch.autograd.grad(y, nodes, materialize_grads=True))
    seen = (leaf * next(flows)).sum()
    added = sum((b * next(flows)).sum() for _, b in constants.added)
    softmax = -sum((x.masked_fill(x.isinf(), 0) * next(flows)).sum() for x in inside)
    softmax = softmax + sum((s * next(flows)).sum() for s in outside)
    return y.detach(), seen.detach(), torch.as_tensor(added), torch.as_tensor(softmax)


@pytest.fixture(scope="module", params=NETWORKS)
def made(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Tensor]:
    model, images = NETWORKS[request.param]()
    return request.param, model.double(), images.double()


def test_nothing_is_lost(made: tuple[str, nn.Module, Tensor]) -> None:
    name, model, images = made
    y, seen, added, softmax = terms(model, images, "attn_lrp")
    scale = max(map(abs, map(float, (y, seen, added, softmax))))
    assert abs(y - seen - added - softmax) < 1e-9 * scale, (name, y, seen, added, softmax)


@pytest.mark.parametrize("rule", ["cp_lrp", "libra"])
def test_nothing_is_lost_where_no_softmax_is_entered(made: tuple[str, nn.Module, Tensor], rule: str) -> None:
    name, model, images = made
    y, seen, added, softmax = terms(model, images, rule)
    assert abs(softmax) < 1e-12
    scale = max(map(abs, map(float, (y, seen, added))))
    assert abs(y - seen - added) < 1e-9 * scale, (name, y, seen, added)


@pytest.mark.parametrize(
    "settings", [{}, {"gamma": 0.0, "conv_gamma": 0.0}, {"rule": "cp_lrp"}, {"rule": "libra"}], ids=str
)
@pytest.mark.parametrize("name", ["ViT", "Swin", "Swin V2: cosine attention", "ConvNeXt", "MLP-Mixer with gates"])
def test_maps_are_well_conditioned(name: str, settings: dict[str, Any]) -> None:
    """Noise of a thousandth of the spread hardly shows, and float32 is float64; the unit of the score is the map's."""

    def maps(model: nn.Module, images: Tensor, target: Any = 1) -> Tensor:
        return heatlens.attribute(model, images, method="attn_lrp", settings=settings, target=target).double()

    model, images = NETWORKS[name]()
    exact = maps(model.double(), images.double())
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1)) * images.std() * 1e-3
    shaken = maps(model, (images + noise).double())
    for one, other in zip(exact, shaken, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.999
    tripled = maps(model, images.double(), lambda outputs: 3 * outputs[:, 1])
    torch.testing.assert_close(tripled, 3 * exact)
    difference = maps(model.float(), images) - exact
    assert (difference.flatten(1).norm(dim=1) < 1e-4 * exact.flatten(1).norm(dim=1)).all()
