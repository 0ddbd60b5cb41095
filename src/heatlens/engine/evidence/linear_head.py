"""The head that CAM reads: linear in the spatial mean of a layer; found by size, proved on the scene's numbers."""

from torch import Tensor, nn

from ...targets import logits_of
from ...targets.meaning import Answer
from ...words.errors import EvidenceMissing
from ...words.notation import Stack, relu
from ...words.trees import Tree, close


def linear_head(model: nn.Module, activations: Stack, outputs: Tree, layer: str) -> tuple[Tensor, bool]:
    """W (classes, c) with logits = mean(W f) + b, or mean(ReLU(W f + b)) of a 1x1 convolution; and whether f = ReLU(A).

    f is A, or ReLU(A) where a ReLU follows the layer that is no module (DenseNet).  A dense or 1x1-convolution module
    of fitting size is a candidate; only one that reproduces the logits is taken.
    """
    said = logits_of(outputs).detach()  # in the network's own precision, which says how closely to compare
    logits = _level(said.to(activations.dtype), outputs).to(said.dtype)
    places = activations.detach().flatten(2).mT  # (n, places, c)
    for module in model.modules():
        weight = _weight_matrix(module)
        if weight is None or weight.shape != (logits.shape[-1], activations.shape[1]) or logits.ndim != 2:
            continue
        matrix = weight.detach().to(activations.dtype)
        bias = (module.bias if isinstance(module.bias, Tensor) else matrix.new_zeros(1)).detach().to(matrix)
        answers = places @ matrix.T + bias
        after = not isinstance(module, nn.Linear) and close(_level(answers.relu().mean(1), outputs), logits)
        if after or close(_level(answers.mean(1), outputs), logits):
            return matrix, False
        if close(_level(relu(places).mean(1) @ matrix.T + bias, outputs), logits):
            return matrix, True
    raise EvidenceMissing(
        f"cam needs a head that is one linear layer on the spatial mean of layer {layer!r}, and "
        f"{type(model).__name__} has none there",
        "global average pooling of it or of its ReLU, then one linear layer; or a 1x1 convolution, then the pooling",
        "use the last convolutional layer, or grad_cam, which is the same where cam exists",
    )


def _level(scores: Tensor, outputs: Tree) -> Tensor:
    """Of a model that returns softmax probabilities, scores are known up to a constant of each image."""
    softmax = isinstance(outputs, Answer) and outputs.meaning.scores == "softmax"
    return scores - scores.mean(1, keepdim=True) if softmax and scores.ndim == 2 else scores


def _weight_matrix(module: nn.Module) -> Tensor | None:
    if isinstance(module, nn.Linear):
        return module.weight
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups == 1 and set(module.kernel_size) == {1}:
        return module.weight.flatten(1)
    return None
