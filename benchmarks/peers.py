"""The same question put to each library, as its own documentation asks it."""

import torch
from torch import Tensor, nn

import heatlens

from .timing import Work


def plain(model: nn.Module, images: Tensor) -> Work:
    """The reference: the forward pass alone."""

    def run() -> Tensor:
        with torch.no_grad():
            return model(images)  # type: ignore[no-any-return]

    return run


def ours(model: nn.Module, images: Tensor, layer: str, methods: str | list[str], **options: object) -> Work:
    return lambda: heatlens.attribute(model, images, method=methods, target=1, layers=layer, **options)


def pytorch_grad_cam(model: nn.Module, images: Tensor, layer: str, kinds: list[str], targets: int = 1) -> Work:
    import pytorch_grad_cam as peer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def run() -> None:
        for kind in kinds:
            for target in range(1, targets + 1):
                with getattr(peer, kind)(model=model, target_layers=[model.get_submodule(layer)]) as cam:
                    cam(input_tensor=images, targets=[ClassifierOutputTarget(target)] * len(images))

    return run


def torch_cam(model: nn.Module, images: Tensor, layer: str, kind: str = "GradCAM") -> Work:
    from torchcam import methods

    def run() -> None:
        with getattr(methods, kind)(model, target_layer=layer) as extractor:
            scores = model(images)
            extractor([1] * len(images), scores)

    return run


def captum(model: nn.Module, images: Tensor, layer: str) -> Work:
    from captum.attr import LayerAttribution, LayerGradCam

    explainer = LayerGradCam(model, model.get_submodule(layer))

    def run() -> Tensor:
        found = explainer.attribute(images, target=1, relu_attributions=True)
        return LayerAttribution.interpolate(found, tuple(images.shape[2:]), interpolate_mode="bilinear")  # type: ignore[no-any-return]

    return run
