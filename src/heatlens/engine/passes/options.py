"""How a scene is computed."""

from dataclasses import dataclass

import torch

from ..forward.batching import Progress


@dataclass(frozen=True)
class Options:
    """How a scene is computed."""

    graph: bool = True
    """Whether gradients at the layers will be asked for."""
    curvature: bool = False
    """Whether second derivatives will be asked for."""
    tails: frozenset[str] = frozenset()
    """The layers that will be replayed from."""
    precision: torch.dtype | None = None
    """Autocast to this type; None runs the model as it is."""
    differentiable: bool = False
    """Whether what comes out can itself be differentiated."""
    progress: Progress | None = None
    first_in_full: bool = False
    """Whether the first pass keeps the model's own precision, which costs nothing beside the thousands that follow."""
    compiled: bool = False
    """Whether thousands of pictures are shown to a copy that `torch.compile` made."""
