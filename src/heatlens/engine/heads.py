"""The head that CAM reads: one that is linear in the spatial mean of a layer, found and proved on the scene's numbers."""

import torch
from torch import Tensor, nn

from ..errors import EvidenceMissing
from ..notation import Stack
from ..targets import logits_of
from ..trees import Tree, close


def linear_head(model: nn.Module, activations: Stack, outputs: Tree, layer: str) -> Tensor:
    """Weights W (classes, c) with logits = mean(W A) + b, or mean(ReLU(W A + b)) for a 1x1-convolution head.

    A dense or 1x1-convolution module of fitting size is a candidate; only one that reproduces the logits is taken.
    """
    logits = logits_of(outputs).detach().to(activations.dtype)
    places = activations.detach().flatten(2).mT  # (n, places, c)
    for module in model.modules():
        weight = _weight_matrix(module)
        if weight is None or weight.shape != (logits.shape[-1], activations.shape[1]) or logits.ndim != 2:
            continue
        matrix = weight.detach().to(activations.dtype)
        bias = getattr(module, "bias", None)
        answers = places @ matrix.T + (0 if bias is None else bias.detach().to(matrix))
        if close(answers.mean(1), logits) or (not isinstance(module, nn.Linear) and close(answers.relu().mean(1), logits)):
            return matrix
    raise EvidenceMissing(
        f"cam needs a head that is one linear layer on the spatial mean of layer {layer!r}, and "
        f"{type(model).__name__} has none there",
        "global average pooling followed by one linear layer, or a 1x1 convolution followed by the pooling",
        "use the last convolutional layer, or grad_cam, which is the same where cam exists",
    )


def _weight_matrix(module: nn.Module) -> Tensor | None:
    if isinstance(module, nn.Linear):
        return module.weight
    convolution = isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    if convolution and module.groups == 1 and torch.Size(module.kernel_size).numel() == 1:
        return module.weight.flatten(1)
    return None
