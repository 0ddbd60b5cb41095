"""Scores sent back to the images themselves, under another rule than the derivative's."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from ...targets import Target, score_each
from ..attention.attention_pass import frozen
from ..passes.derivatives import gradients, precise
from ..passes.scene import Scene
from ..rules import rules


def guided(scene: Scene, targets: Sequence[Target]) -> Tensor:
    """The images' guided gradient, (n, channels, *size)."""
    with torch.enable_grad(), scene.precisely(), rules.guided():
        leaf = scene.images.detach().requires_grad_()
        score = score_each(scene.inputs.showing(leaf * 1).run(scene.model), targets)
    (flow,) = gradients([leaf], score)
    return precise(torch.zeros_like(leaf) if flow is None else flow)


def modified(scene: Scene, targets: Sequence[Target], rule: Callable[[], AbstractContextManager[None]]) -> Tensor:
    """R = X * G of the images under a rule, (n, channels, *size)."""
    with torch.enable_grad(), scene.precisely(), frozen(scene.model), rule():
        leaf = scene.images.detach().requires_grad_()
        score = score_each(scene.inputs.showing(leaf * 1).run(scene.model), targets)
    (flow,) = gradients([leaf], score)
    return torch.zeros_like(leaf) if flow is None else precise(leaf.detach()) * precise(flow)
