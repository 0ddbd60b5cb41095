"""Replay gives what full passes give, on networks as their libraries build them (random weights)."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.replay.behind_layer import Tail
from heatlens.engine.replay.replay import Recorder
from heatlens.engine.state.evaluating import evaluating
from heatlens.words.trees import main_tensor, with_main_tensor
from helpers.networks import timm_model as timm
from helpers.networks import torchvision_model as torchvision
from helpers.networks import transformers_model as transformers

SMALL = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96}
NETWORKS = {
    "resnet18 layer3": (partial(torchvision, "resnet18"), "layer3"),
    "resnet18 layer4.0": (partial(torchvision, "resnet18"), "layer4.0"),
    "resnet18 inside a block": (partial(torchvision, "resnet18"), "layer4.1.bn2"),
    "resnet18 shared relu": (partial(torchvision, "resnet18"), "layer4.1.relu"),
    "vgg11": (partial(torchvision, "vgg11"), "features.10"),
    "alexnet": (partial(torchvision, "alexnet"), "features.8"),
    "densenet121": (partial(torchvision, "densenet121"), "features.denseblock3"),
    "densenet121 inside": (partial(torchvision, "densenet121"), "features.denseblock4.denselayer3"),
    "googlenet": (partial(torchvision, "googlenet"), "inception4b"),
    "inception_v3": (partial(torchvision, "inception_v3", 128), "Mixed_6a"),
    "mobilenet_v2": (partial(torchvision, "mobilenet_v2"), "features.14"),
    "mobilenet_v3_small": (partial(torchvision, "mobilenet_v3_small"), "features.9"),
    "efficientnet_b0": (partial(torchvision, "efficientnet_b0"), "features.6"),
    "shufflenet_v2_x0_5": (partial(torchvision, "shufflenet_v2_x0_5"), "stage4"),
    "squeezenet1_1": (partial(torchvision, "squeezenet1_1"), "features.9"),
    "mnasnet0_5": (partial(torchvision, "mnasnet0_5"), "layers.11"),
    "regnet_y_400mf": (partial(torchvision, "regnet_y_400mf"), "trunk_output.block3"),
    "convnext_tiny": (partial(torchvision, "convnext_tiny"), "features.6"),
    "swin_t": (partial(torchvision, "swin_t"), "features.5"),
    "swin_t inside a block": (partial(torchvision, "swin_t"), "features.7.0.norm2"),
    "maxvit_t": (partial(torchvision, "maxvit_t", 224), "blocks.3"),
    "vit_b_32": (partial(torchvision, "vit_b_32"), "encoder.layers.encoder_layer_10"),
    "vit_b_32 norm": (partial(torchvision, "vit_b_32"), "encoder.layers.encoder_layer_11.ln_1"),
    "timm deit_tiny": (partial(timm, "deit_tiny_patch16_224", img_size=64), "blocks.11.norm1"),
    "timm deit_tiny distilled": (partial(timm, "deit_tiny_distilled_patch16_224", img_size=64), "blocks.10"),
    "timm resnet26d": (partial(timm, "resnet26d"), "layer3"),
    "timm mobilenetv2_100": (partial(timm, "mobilenetv2_100", pad_type="same"), "blocks.5"),
    "timm efficientnet_lite0": (partial(timm, "efficientnet_lite0"), "blocks.4"),
    "timm convnext_atto": (partial(timm, "convnext_atto"), "stages.2"),
    "timm swin_tiny": (partial(timm, "swin_tiny_patch4_window7_224", 112, img_size=112), "layers.2"),
    "timm mixer_s32": (partial(timm, "mixer_s32_224", 224), "blocks.6"),
    "timm cait_xxs24": (partial(timm, "cait_xxs24_224", img_size=64), "blocks.20"),
    "transformers ViT": (partial(transformers, "ViT", image_size=64, **SMALL), "vit.layers.1"),
    "transformers ViT norm": (partial(transformers, "ViT", image_size=64, **SMALL), "vit.layers.2.layernorm_before"),
    "transformers DeiT": (partial(transformers, "DeiT", image_size=64, **SMALL), "deit.layers.1"),
    "transformers Dinov2": (
        partial(transformers, "Dinov2", image_size=64, patch_size=16, mlp_ratio=2, **SMALL),
        "dinov2.encoder.layer.1",
    ),
    "transformers BEiT": (partial(transformers, "Beit", image_size=64, **SMALL), "beit.layers.1"),
    "transformers Swin": (
        partial(
            transformers, "Swin", image_size=64, window_size=4, embed_dim=24, depths=[1, 1, 2], num_heads=[2, 2, 2]
        ),
        "swin.encoder.layers.1",
    ),
    "transformers ConvNext": (
        partial(transformers, "ConvNext", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
        "convnext.encoder.stages.2",
    ),
    "transformers ResNet": (
        partial(transformers, "ResNet", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], embedding_size=16),
        "resnet.encoder.stages.2",
    ),
    "transformers MobileNetV2": (partial(transformers, "MobileNetV2"), "mobilenet_v2.layer.14"),
}


def full_pass(model: nn.Module, layer: nn.Module, images: Tensor, activations: Tensor) -> Tensor:
    """The reference: everything again, the output of the layer's last call replaced."""
    total = 0

    def count(module: nn.Module, args: object, output: object) -> None:
        nonlocal total
        total += 1

    handle = layer.register_forward_hook(count)
    model(images)
    handle.remove()
    calls = 0

    def replace(module: nn.Module, args: object, output: object) -> object:
        nonlocal calls
        calls += 1
        return with_main_tensor(output, activations) if calls == total else None

    handle = layer.register_forward_hook(replace)
    outputs = main_tensor(model(images))
    handle.remove()
    return outputs


@pytest.mark.parametrize("name", NETWORKS)
def test_replay_equals_full_passes(name: str) -> None:
    make, layer_name = NETWORKS[name]
    model, images = make()
    layer = model.get_submodule(layer_name)
    inputs = Inputs((images,))
    with evaluating(model):
        recorder = Recorder(model, layer)
        with recorder.recording():
            outputs = inputs.run(model)
        tail = Tail(model, layer, inputs, outputs, recorder)
        assert tail.way in ("expanded", "recorded"), f"{name} falls back to full passes"
        found = []
        hook = layer.register_forward_hook(lambda module, args, output: found.append(main_tensor(output)))
        inputs.run(model)
        hook.remove()
        for image in (1, 0):
            said = found[-1][image : image + 1]
            varied = torch.cat([said, said * 0.5, said * 0, said.flip(-1), said.roll(1, 1)])
            expected = full_pass(model, layer, images[image : image + 1].expand(5, -1, -1, -1), varied.clone())
            got = main_tensor(tail(varied.clone(), image))
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
            assert (expected - expected[:1]).abs().max() > 1e-3, "the variations must matter"
            again = main_tensor(tail(varied[:3].clone(), image))
            torch.testing.assert_close(again, expected[:3], rtol=1e-4, atol=1e-5)
