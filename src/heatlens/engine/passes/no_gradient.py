"""Why a score has no gradient at a layer: it does not depend on it, or the graph is cut on the way."""

from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...targets import Target, described, score_each
from ...words.errors import ScoreIndifferent
from ...words.trees import Tree, close, main_tensor, with_main_tensor
from ..forward.inputs import Inputs


class Shown(Protocol):
    """A scene."""

    model: nn.Module
    modules: dict[str, nn.Module]

    @property
    def inputs(self) -> Inputs: ...


def indifferent(scene: Shown, targets: Sequence[Target], layer: str, score: Tensor, call: int) -> ScoreIndifferent:
    """The error that says so: score (n,) is that of the targets, call the layer's that is meant."""
    if not _felt(scene, targets, scene.modules[layer], score, call):
        return ScoreIndifferent(f"the score of {described(targets[0])} does not depend on layer {layer!r}")
    return ScoreIndifferent(
        f"the score of {described(targets[0])} has no gradient at layer {layer!r}: behind it the graph is cut",
        "a path without .detach(), .data, no_grad or numpy",
        "Use a method without gradients, such as ablation_cam or score_cam",
    )


def _felt(scene: Shown, targets: Sequence[Target], module: nn.Module, score: Tensor, call: int) -> bool:
    """Whether the score changes when a call of the layer says nothing."""
    ran = count()

    def silence(module: nn.Module, args: Any, output: Tree) -> Tree | None:
        return with_main_tensor(output, main_tensor(output) * 0) if next(ran) == call else None

    handle = module.register_forward_hook(silence)
    try:
        with torch.no_grad():
            return not close(score_each(scene.inputs.run(scene.model), targets), score)
    finally:
        handle.remove()
