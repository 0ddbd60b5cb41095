"""AttnLRP and CP-LRP as the authors' own library has them.

It is in no extra: it asks for bitsandbytes and open_clip, and its package expects an older transformers.  To run this:
`pip install --no-deps lxt zennit`.
"""

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import heatlens
from helpers.networks import lively, transformers_model

SMALL = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 48}
TARGET = 3


@pytest.fixture
def lxt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its rules and patches, without what it does to classes for good."""
    pytest.importorskip("zennit", reason="pip install --no-deps lxt zennit")
    pytest.importorskip("lxt", reason="pip install --no-deps lxt zennit")
    from transformers import pytorch_utils

    gone = "find_pruneable_heads_and_indices"  # which one of its language models imports
    monkeypatch.setattr(pytorch_utils, gone, getattr(pytorch_utils, gone, None), raising=False)
    from lxt.efficient import patches

    return patches


def patched(monkeypatch: pytest.MonkeyPatch, kind: type[nn.Module], forward: Any) -> None:
    monkeypatch.setattr(kind, "original_forward", kind.forward, raising=False)
    monkeypatch.setattr(kind, "forward", forward)


def theirs(model: nn.Module, images: Tensor) -> Tensor:
    leaf = images.clone().requires_grad_()
    outputs = model(leaf)
    getattr(outputs, "logits", outputs)[:, TARGET].sum().backward()
    model.zero_grad(set_to_none=True)
    return (leaf * leaf.grad).sum(1).detach()


def ours(model: nn.Module, images: Tensor, **settings: Any) -> Tensor:
    return heatlens.attribute(model, images, method="attn_lrp", settings=settings, target=TARGET)


def test_a_vit_of_torchvision_by_their_own_map(lxt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vit_torch.cp_LRP`, of which gamma is no part."""
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    model = lively(VisionTransformer(32, 8, 3, 3, 24, 48, num_classes=11), images).double()
    found = ours(model, images.double(), rule="cp_lrp", gamma=0.0, conv_gamma=0.0)
    patched(monkeypatch, nn.GELU, lxt.non_linear_forward)
    patched(monkeypatch, nn.LayerNorm, lxt.layer_norm_forward)
    patched(monkeypatch, nn.MultiheadAttention, lxt.cp_multi_head_attention_forward)
    torch.testing.assert_close(found, theirs(model, images.double()), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("gamma", "conv_gamma"), [(0.0, 0.0), (0.25, 1.0), (0.05, 100.0)])
def test_attn_lrp_with_zennits_gamma(
    lxt: Any, monkeypatch: pytest.MonkeyPatch, gamma: float, conv_gamma: float
) -> None:
    from lxt.efficient import zennit_patches
    from lxt.efficient.rules import divide_gradient
    from transformers.activations import GELUActivation
    from zennit.composites import LayerMapComposite
    from zennit.core import BasicHook
    from zennit.rules import Gamma

    model, images = transformers_model("ViT", 32, **SMALL, image_size=32, patch_size=8)
    model, images = model.double(), images.double() - 0.5
    model.set_attn_implementation("sdpa")
    found = ours(model, images, gamma=gamma, conv_gamma=conv_gamma)
    fused = F.scaled_dot_product_attention

    def halved(q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        parts = (partial(divide_gradient, factor=share)(x) for x, share in ((q, 4), (k, 4), (v, 2)))
        return fused(*parts, *args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", halved)
    patched(monkeypatch, GELUActivation, lxt.non_linear_forward)
    patched(monkeypatch, nn.LayerNorm, lxt.layer_norm_forward)
    monkeypatch.setattr(BasicHook, "forward", zennit_patches.forward)
    monkeypatch.setattr(BasicHook, "backward", zennit_patches.backward)
    gammas = [(nn.Conv2d, Gamma(conv_gamma, 1e-14)), (nn.Linear, Gamma(gamma, 1e-14))] if gamma else []
    with LayerMapComposite(gammas).context(model):
        expected = theirs(model, images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
