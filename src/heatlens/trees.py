"""Outputs come as tensors, tuples, dicts or ModelOutputs; these few words read and rewrite them all."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from .errors import LayoutUnclear

Tree = Any
"""A tensor, or any nesting of tuples, lists and dicts with tensors in it."""


def tensors(tree: Tree) -> list[Tensor]:
    """Every tensor in it, in order."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def map_tensors(change: Callable[[Tensor], Tensor], tree: Tree) -> Tree:
    """The same nesting with every tensor changed."""
    return tree_map(lambda leaf: change(leaf) if isinstance(leaf, Tensor) else leaf, tree)


def main_tensor(tree: Tree) -> Tensor:
    """What a layer says: its first floating-point tensor."""
    for tensor in tensors(tree):
        if tensor.is_floating_point():
            return tensor
    raise LayoutUnclear(f"a layer returned {type(tree).__name__} without any floating-point tensor", "a tensor")


def with_main_tensor(tree: Tree, new: Tensor) -> Tree:
    """The same nesting with its main tensor replaced."""
    if isinstance(tree, Tensor):
        return new
    old = main_tensor(tree)
    return map_tensors(lambda tensor: new if tensor is old else tensor, tree)


def snapshot(tree: Tree) -> Tree:
    """A copy that later in-place operations cannot change."""
    return map_tensors(lambda tensor: tensor.detach().clone(), tree)


def rows(tree: Tree, batch: int, index: int, copies: int) -> Tree:
    """Image `index` of a batch as a batch of `copies`, without copying; what has no batch dimension stays."""

    def pick(tensor: Tensor) -> Tensor:
        if tensor.ndim == 0 or tensor.shape[0] != batch:
            return tensor
        return tensor[index : index + 1].expand(copies, *tensor.shape[1:])

    return map_tensors(pick, tree)


def version(tensor: Tensor) -> int:
    """How often a tensor was written to."""
    return -1 if tensor.is_inference() else tensor._version


def close(got: Tree, expected: Tree, tolerance: float = 1e-4) -> bool:
    """Whether two outputs agree to rounding in a deep network: `tolerance` is a share of the largest value."""
    pairs = list(zip(tensors(got), tensors(expected), strict=False))
    return bool(pairs) and all(_close(a, b, tolerance) for a, b in pairs if b.is_floating_point() and b.numel())


def _close(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    if got.shape != expected.shape:
        return False
    coarse = max(tolerance, 1e-2) if expected.dtype in (torch.float16, torch.bfloat16) else tolerance
    allowed = coarse * float(expected.detach().abs().max()) + 1e-12
    return torch.allclose(got.float(), expected.float(), rtol=10 * coarse, atol=allowed)
