"""Making a network CAM-able: its dense head swapped for global average pooling and one linear layer.

Zhou et al., CVPR 2016, arXiv:1512.04150, section 3: of AlexNet everything after conv5 goes (13x13 is left), of VGG16
after conv5-3 (14x14), of GoogLeNet after inception4e (14x14); then a 3x3 convolution with 1024 channels, stride 1,
padding 1 (with its ReLU, as in the release's networks), the pooling and the linear layer.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import Tensor, fx, nn

from ..engine.state.evaluating import device_of, dtype_of
from ..words.errors import BadValue
from .files.building import first_line
from .loading import subject_of
from .reading.layers import Layer, list_layers
from .subject.subject import Subject

_RECIPES = {"GoogLeNet": "inception4e"}
"""Networks of which the paper keeps less than all layers that have a space."""
_NO_FEATURES = ("Pool", "Dropout", "Flatten", "Identity", "Sequential")
_KINDS: dict[int, tuple[Any, Any]] = {
    1: (nn.Conv1d, nn.AdaptiveAvgPool1d),
    2: (nn.Conv2d, nn.AdaptiveAvgPool2d),
    3: (nn.Conv3d, nn.AdaptiveAvgPool3d),
}


class CamNet(nn.Module):
    """Trunk, a convolution with its ReLU (`features`; or neither), the mean over space, one linear layer."""

    def __init__(self, trunk: nn.Module, inputs: int, space: int, classes: int, channels: int | None) -> None:
        super().__init__()
        convolution, pooling = _KINDS[space]
        self.trunk = trunk
        added = [convolution(inputs, channels, 3, padding=1), nn.ReLU()] if channels else []
        self.features = nn.Sequential(*added)
        self.pool = pooling(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(channels or inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, channels, *size) -> class scores (n, classes)."""
        scores: Tensor = self.head(self.flatten(self.pool(self.features(self.trunk(x)))))
        return scores


def cam_head(
    model: str | nn.Module | Subject,
    classes: int | Sequence[str],
    *,
    layer: str | None = None,
    channels: int | None = 1024,
) -> nn.Module:
    """A new network: the model up to its last features, then what the CAM paper puts there.  The model stays as it is.

    classes: how many, or their names.  layer: the last one that is kept; None: as the paper has it for AlexNet, VGG and
    GoogLeNet, else the last layer with a space that is no pooling.  channels: of the 3x3 convolution; None adds none.
    The new layers are random, to be trained (training/fine_tune.py).  Raises `BadValue` for a network whose code
    cannot be traced, or that has no channels-first features.
    """
    subject = subject_of(model)
    count = classes if isinstance(classes, int) else len(classes)
    if count < 1 or (channels is not None and channels < 1):
        raise BadValue(f"{count} classes, {channels} channels", "at least 1 of each")
    found = list_layers(subject.model, (subject.blank(),), {}, subject.reading)
    last = _last(found, layer or _RECIPES.get(type(subject.model).__name__), type(subject.model).__name__)
    trunk = _cut(deepcopy(subject.model).eval(), last.name)
    made = CamNet(trunk, last.shape[1], len(last.space), count, channels)
    return made.to(device_of(subject.model), dtype_of(subject.model)).eval()


def _last(found: Sequence[Layer], named: str | None, model: str) -> Layer:
    """The layer that is kept last: the one named, else the deepest with features."""
    classes = found[-1].shape[1:2]
    for layer in reversed(found):
        pooled = any(word in layer.kind for word in _NO_FEATURES) or layer.shape[1:2] == classes
        chosen = layer.name == named if named else not pooled and max(layer.space, default=1) > 1
        if chosen and layer.space and layer.shape[2:] == layer.space:
            return layer
        if chosen:
            break
    raise BadValue(
        f"{model} has no {f'layer {named!r}' if named else 'last layer'} that returns channels first over a space",
        "a convolutional network",
        "layer=NAME; all of them: heatlens layers MODEL",
    )


def _cut(model: nn.Module, layer: str) -> nn.Module:
    """The network up to a layer and no further; its modules keep their names."""

    class Tracer(fx.Tracer):
        def is_leaf_module(self, module: nn.Module, name: str) -> bool:
            return name == layer or super().is_leaf_module(module, name)

    try:
        graph = Tracer().trace(model)
    except Exception as error:  # whatever code meets when it is run on symbols
        raise BadValue(
            f"the code of {type(model).__name__} cannot be traced: {first_line(error)}",
            "a network without decisions that depend on its input",
            "build one of heatlens.models.cam_heads.CamNet on the features yourself",
        ) from error
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if not calls:
        raise BadValue(f"layer {layer!r} is not called by itself", "a layer of the forward pass", "name a larger one")
    (output,) = (node for node in graph.nodes if node.op == "output")
    output.args = (calls[-1],)
    cut = fx.GraphModule(model, graph, type(model).__name__)
    cut.graph.eliminate_dead_code()
    cut.delete_all_unused_submodules()
    cut.recompile()
    return cut
