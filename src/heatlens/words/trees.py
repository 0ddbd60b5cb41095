"""Outputs come as tensors, tuples, dicts or ModelOutputs; these few words read and rewrite them all."""

from collections.abc import Callable, Mapping, Sequence
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
    """What a layer says: its first floating-point tensor; an int8 layer's as the numbers that it stands for."""
    found = _main(tree)
    return found.dequantize() if found.is_quantized else found


def _main(tree: Tree) -> Tensor:
    for tensor in tensors(tree):
        if tensor.is_floating_point() or tensor.is_quantized:
            return tensor
    raise LayoutUnclear(f"a layer returned {type(tree).__name__} without any floating-point tensor", "a tensor")


def with_main_tensor(tree: Tree, new: Tensor) -> Tree:
    """The same nesting with its main tensor replaced."""
    old = _main(tree)
    if old.is_quantized:
        new = torch.quantize_per_tensor(new, old.q_scale(), old.q_zero_point(), old.dtype)
    return new if isinstance(tree, Tensor) else with_tensor(tree, old, new)


def with_tensor(tree: Tree, old: Tensor, new: Tensor) -> Tree:
    """The same nesting with one of its tensors replaced."""
    return map_tensors(lambda tensor: new if tensor is old else tensor, tree)


def snapshot(tree: Tree) -> Tree:
    """A copy that later in-place operations cannot change."""
    return map_tensors(lambda tensor: tensor.detach().clone(), tree)


def one_each(tree: Tree, batch: int) -> bool:
    """Whether this is a list of dicts, one per image, as detectors return."""
    return isinstance(tree, list) and len(tree) == batch > 0 and all(isinstance(one, Mapping) for one in tree)


def taken(tree: Tree, batch: int, rows: list[int]) -> Tree:
    """These images of a batch, in this order; what has no batch dimension stays."""

    def pick(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf[rows] if leaf.ndim and leaf.shape[0] == batch else leaf
        return [leaf[row] for row in rows] if one_each(leaf, batch) else leaf

    return tree_map(pick, tree, is_leaf=lambda part: one_each(part, batch))


def rows(tree: Tree, batch: int, index: int, copies: int) -> Tree:
    """Image `index` of a batch as a batch of `copies`, without copying; what has no batch dimension stays."""

    def pick(leaf: Any) -> Any:
        if one_each(leaf, batch):
            return [leaf[index]] * copies
        if not isinstance(leaf, Tensor) or leaf.ndim == 0 or leaf.shape[0] != batch:
            return leaf
        return leaf[index : index + 1].expand(copies, *leaf.shape[1:])

    return tree_map(pick, tree, is_leaf=lambda part: one_each(part, batch))


def rows_of_each(tree: Tree, batch: int, images: Sequence[int]) -> Tree:
    """These images of a batch as a batch, without copying where they are all the same one."""
    first = images[0]
    same = all(image == first for image in images)
    return rows(tree, batch, first, len(images)) if same else taken(tree, batch, list(images))


def several_times(rows_of_one: Tensor, count: int, axis: int, rows: int) -> Tensor:
    """The rows of one image `count` times along their axis, without copying where it is a single row."""
    shape = list(rows_of_one.shape)
    if rows == 1:
        return rows_of_one.expand(*shape[:axis], count, *shape[axis + 1 :])
    return rows_of_one.repeat([count if at == axis else 1 for at in range(len(shape))])


def version(tensor: Tensor) -> int:
    """How often a tensor was written to."""
    return -1 if tensor.is_inference() else tensor._version


def close(got: Tree, expected: Tree, tolerance: float = 1e-4) -> bool:
    """Whether two outputs agree to rounding in a deep network: `tolerance` is a share of the largest value."""
    ours, theirs = tensors(got), tensors(expected)
    if not theirs or len(ours) != len(theirs):
        return False
    pairs = zip(ours, theirs, strict=True)
    return all(_close(a, b, tolerance) for a, b in pairs if b.is_floating_point() and b.numel())


def _close(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    if got.shape != expected.shape:
        return False
    coarse = max(tolerance, 1e-2) if expected.dtype in (torch.float16, torch.bfloat16) else tolerance
    allowed = coarse * float(expected.detach().abs().max()) + 1e-12
    return torch.allclose(got.float(), expected.float(), rtol=10 * coarse, atol=allowed)
