"""Derivatives of scores with respect to what was captured."""

import torch
from torch import Tensor

from ..errors import ScoreIndifferent
from ..notation import Stack
from ..targets import Target, described


def gradients(said: list[Tensor], score: Tensor, *, create_graph: bool = False) -> list[Tensor | None]:
    """d(sum of scores)/d(said); half precision is scaled up on the way so that small gradients survive."""
    if not score.requires_grad:
        return [None] * len(said)
    scale = 2.0**10 if said[0].dtype == torch.float16 else 1.0
    with torch.enable_grad():
        total = score.float().sum() * scale if scale != 1 else score.sum()
    found = torch.autograd.grad(total, said, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [None if g is None else g if scale == 1 else g.float() / scale for g in found]


def directional(slope: Tensor, said: Tensor, along: Tensor, *, create_graph: bool) -> Tensor | None:
    """d(slope . along)/d(said), `along` held fixed; None where the slope does not bend."""
    if not slope.requires_grad:
        return None
    options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
    return torch.autograd.grad(slope, said, grad_outputs=along, **options)[0]


def precise(x: Tensor) -> Tensor:
    """At least float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_reached(raw: Tensor, gradients: Stack, layer: str, target: Target) -> None:
    """A stack of exact zeros where the raw gradient is not: only the prefix tokens reach the score."""
    if raw.numel() > gradients.numel() and not bool(gradients.any()) and bool(raw.any()):
        raise ScoreIndifferent(
            f"the score of {described(target)} does not depend on the patches of layer {layer!r}: "
            "there only the class token reaches the output"
        )
