"""The relevance of every attention of a transformer, by one set of rules or another."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from ...targets import Target, logits_of, score_each, with_logits
from ...words.trees import Tree
from ..forward.in_float64 import NotDoubledError, run_in_double
from ..passes.derivatives import gradients, precise
from ..passes.scene import Scene
from .attention_pass import blocks_over_the_image, run_attended

Rules = Callable[[], AbstractContextManager[Any]]


def carried(scene: Scene, targets: Sequence[Target], rules: Rules) -> list[Tensor]:
    """R of every attention (n, heads, tokens, tokens), as rules carry it from dy/d(class scores).

    In float64 where the model can be, and image by image: the rules take sums over all tokens of one.
    """
    found = [_of_one(scene, i, target, rules) for i, target in enumerate(targets)]
    return [torch.cat(block) for block in zip(*found, strict=True)]


def _of_one(scene: Scene, image: int, target: Target, rules: Rules) -> list[Tensor]:
    shown = scene.inputs.of(image, 1)
    try:
        _, outputs, found = run_attended(scene, shown, rules(), run_in_double)
    except NotDoubledError:
        _, outputs, found = run_attended(scene, shown, rules())
    nodes = [block.probabilities for block in blocks_over_the_image(found, scene, 1)]
    logits = logits_of(outputs)
    flows = torch.autograd.grad(logits, nodes, _start(outputs, logits, target), materialize_grads=True)
    return [_heads(R, 1).to(precise(scene.images).dtype) for R in flows]


def _start(outputs: Tree, logits: Tensor, target: Target) -> Tensor:
    """dy/d(class scores)."""
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        score = score_each(with_logits(outputs, leaf), [target])
        return torch.autograd.grad(score.sum(), leaf)[0]


def multiplied(scene: Scene, targets: Sequence[Target], rules: Rules) -> list[Tensor]:
    """R = Att * G of every attention (n, heads, tokens, tokens), G the derivative under the rules."""
    _, outputs, found = run_attended(scene, scene.inputs, rules())
    nodes = [block.probabilities for block in blocks_over_the_image(found, scene)]
    with torch.enable_grad(), rules():
        score = score_each(outputs, targets)
    flows = gradients(nodes, score)
    n = len(targets)
    return [
        _heads(precise(Att.detach()) * (0 if G is None else precise(G)), n) for Att, G in zip(nodes, flows, strict=True)
    ]


def _heads(x: Tensor, n: int) -> Tensor:
    return x.reshape(n, -1, *x.shape[-2:])
