"""Layers that speak step by step, and layers that see a clip's frames as pictures of their own."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...words.notation import Stack


@dataclass(frozen=True)
class Steps:
    """(n, prefix + steps, c), or (prefix + steps, n, c) with the sequence first: a stack (n, c, steps)."""

    sequence_first: bool = False
    prefix: int = 0

    @property
    def batch_axis(self) -> int:
        return int(self.sequence_first)

    def to_stack(self, said: Tensor) -> Stack:
        steps = said.transpose(0, 1) if self.sequence_first else said
        return steps[:, self.prefix :].mT

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        kept = said.transpose(0, 1) if self.sequence_first else said
        steps = torch.cat([kept[:, : self.prefix], stack.mT], 1)
        return steps.transpose(0, 1) if self.sequence_first else steps


@dataclass(frozen=True)
class Frames:
    """(n * frames, …), image by image, each frame read by the inner layout: a stack (n, c, frames, *space)."""

    inner: Any
    frames: int

    @property
    def rows(self) -> int:
        """Of the layer's batch that belong to one image."""
        return self.frames

    def to_stack(self, said: Tensor) -> Stack:
        each: Tensor = self.inner.to_stack(said)
        return each.reshape(-1, self.frames, *each.shape[1:]).transpose(1, 2)

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        written: Tensor = self.inner.from_stack(stack.transpose(1, 2).flatten(0, 1), said)
        return written
