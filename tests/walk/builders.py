"""Subjects of the walk that no name makes: modules, and files written for it."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import heatlens
from helpers.caffe_files import written
from helpers.networks import lively, timm_model, torchvision_model
from walk.even import make_even

if TYPE_CHECKING:
    from walk.case import Case

ALEXNET = """
name: "AlexNet with a CAM layer"
input: "data" input_dim: 10 input_dim: 3 input_dim: 67 input_dim: 67
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 24 kernel_size: 11 stride: 4 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 1e-4 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 32 kernel_size: 5 pad: 2 group: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "CAM_conv" type: "Convolution" bottom: "conv2" top: "CAM_conv"
  convolution_param { num_output: 64 pad: 1 kernel_size: 3 group: 2 } }
layer { name: "CAM_relu" type: "ReLU" bottom: "CAM_conv" top: "CAM_conv" }
layer { name: "CAM_pool" type: "Pooling" bottom: "CAM_conv" top: "CAM_pool"
  pooling_param { pool: AVE kernel_size: 7 stride: 7 } }
layer { name: "CAM_fc" type: "InnerProduct" bottom: "CAM_pool" top: "CAM_fc" inner_product_param { num_output: 7 } }
layer { name: "prob" type: "Softmax" bottom: "CAM_fc" top: "prob" }
"""
RESIDUAL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 61 dim: 61 } } }
layer { name: "stem" type: "Convolution" bottom: "data" top: "stem"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 stride: 2 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "stem" top: "stem" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "stem" top: "stem" scale_param { bias_term: true } }
layer { name: "act" type: "ReLU" bottom: "stem" top: "stem" }
layer { name: "inner" type: "Convolution" bottom: "stem" top: "inner"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "stem" bottom: "inner" top: "sum" eltwise_param { operation: SUM } }
layer { name: "most" type: "Eltwise" bottom: "stem" bottom: "inner" top: "most" eltwise_param { operation: MAX } }
layer { name: "both" type: "Concat" bottom: "sum" bottom: "most" top: "both" concat_param { axis: 1 } }
layer { name: "small" type: "Pooling" bottom: "both" top: "small"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "last" type: "Convolution" bottom: "small" top: "last"
  convolution_param { num_output: 32 kernel_size: 3 pad: 1 stride: 2 } }
layer { name: "last_relu" type: "ReLU" bottom: "last" top: "last" }
layer { name: "gap" type: "Pooling" bottom: "last" top: "gap" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "gap" top: "fc" inner_product_param { num_output: 7 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def network(case: "Case") -> tuple[nn.Module, Tensor]:
    """The torch network that a file is made of, its weights already even; two images."""
    if case.model.startswith("vit"):
        model, images = timm_model(case.model, case.space[0], img_size=case.space, depth=2)
    else:
        model, images = torchvision_model(case.model, case.space[0])
    return lively(make_even(model), torch.cat([images, images.flip(-1)])), images


def transformers_module(case: "Case") -> heatlens.Subject:
    """An image classifier of transformers by its configuration."""
    import transformers

    config = getattr(transformers, f"{case.model}Config")(num_labels=7, **case.options)
    return heatlens.load(getattr(transformers, f"{case.model}ForImageClassification")(config).eval())


def transformers_folder(case: "Case") -> heatlens.Subject:
    """The same with its processor in a folder, as its author would leave it."""
    import transformers

    sides = {"height": case.space[0], "width": case.space[1]}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=7, **case.options))
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        transformers.ViTImageProcessor(size=sides).save_pretrained(folder)
        return heatlens.load(f"transformers/{folder}")


def small_mvit(case: "Case") -> heatlens.Subject:
    """A video transformer of three blocks, read as torchvision's own are."""
    from torchvision.models import get_model_weights
    from torchvision.models.video.mvit import MSBlockConfig, MViT

    from heatlens.models.libraries.torchvision_tasks import fitted
    from heatlens.targets import Classes

    blocks = [
        MSBlockConfig(1, 8, 8, [], [3, 3, 3], [], [1, 2, 2]),
        MSBlockConfig(1, 8, 8, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
        MSBlockConfig(1, 8, 8, [], [3, 3, 3], [], [1, 1, 1]),
    ]
    frames, *sides = case.space
    plain = {"residual_pool": False, "residual_with_cls_embed": False, "rel_pos_embed": False, "num_classes": 7}
    model = MViT(tuple(sides), frames, blocks, proj_after_attn=False, **plain).eval()
    return fitted("mvit", model, get_model_weights("mvit_v1_b").DEFAULT.transforms(), Classes())


def onnx_file(case: "Case") -> heatlens.Subject:
    """A file that torch exported."""
    model, images = network(case)
    axes = {"images": {0: "n"}, "scores": {0: "n"}}
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["scores"], "dynamic_axes": axes}

    def export(path: Path) -> None:
        torch.onnx.export(model, (images[:1],), path, dynamo=False, **names)

    return _through(export, f"{case.model}.onnx", **case.options)


def program(case: "Case") -> heatlens.Subject:
    """A saved program of torch.export."""
    model, images = network(case)
    made = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    return _through(lambda path: torch.export.save(made, path), f"{case.model}.pt2")


def quantised(case: "Case") -> heatlens.Subject:
    """The same network with int8 layers."""
    from torchvision.models import quantization

    torch.manual_seed(0)
    images = torch.randn(2, 3, *case.space)
    model = getattr(quantization, case.model)(weights=None, num_classes=7, quantize=False)
    lively(make_even(lively(model, images)), torch.cat([images, images.flip(-1)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.utils.quantize_model(model, "fbgemm")
    return heatlens.load(model)


def caffe_file(case: "Case") -> heatlens.Subject:
    """A deploy prototxt and a caffemodel."""
    with TemporaryDirectory() as folder:
        prototxt, weights = written(Path(folder), ALEXNET if "AlexNet" in case.model else RESIDUAL)
        return heatlens.load(f"caffe/{prototxt}", weights=weights)


def keras_application(case: "Case") -> heatlens.Subject:
    """A network of keras.applications on torch, its variances such that random weights let signals through."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    alpha = {"alpha": 0.35} if case.model == "MobileNetV2" else {}
    model = getattr(keras.applications, case.model)(
        weights=None, input_shape=(*case.space, 3), classes=7, classifier_activation="softmax", **alpha
    )
    return heatlens.load(model)


def _through(write: Callable[[Path], Any], name: str, **options: Any) -> heatlens.Subject:
    """A subject of a file that is written for a moment."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        write(path)
        return heatlens.load(str(path), **options)
