"""Derivatives of scores with respect to what was captured."""

import torch
from torch import Tensor

from ...targets import Target, described
from ...words.errors import ScoreIndifferent
from ...words.notation import Stack
from ..forward.finite import Doubts
from ..state.in_place import WrittenOver, is_about_writing

_SCALES = (2.0**10, 1.0, 2.0**-10)


def gradients(said: list[Tensor], score: Tensor, *, create_graph: bool = False) -> list[Tensor | None]:
    """d(sum of scores)/d(said).

    In float16 it is scaled up on the way so that small gradients survive, or down where large ones do not.
    `WrittenOver` where the model wrote into what that needs.
    """
    if not score.requires_grad:
        return [None] * len(said)
    half = said[0].dtype == torch.float16
    for scale in _SCALES if half else (1.0,):
        with torch.enable_grad():
            total = score.float().sum() * scale if half else score.sum()
        found = _pulled(total, said, create_graph)
        if not half or all(g is None or bool(g.isfinite().all()) for g in found):
            break
    return [g.float() / scale if half and g is not None else g for g in found]


def _pulled(total: Tensor, said: list[Tensor], create_graph: bool) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(total, said, retain_graph=True, create_graph=create_graph, allow_unused=True)
    except RuntimeError as error:
        if is_about_writing(error):
            raise WrittenOver from error
        raise


def directional(slope: Tensor, said: Tensor, along: Tensor, *, create_graph: bool) -> Tensor | None:
    """d(slope . along)/d(said), `along` held fixed; None where the slope does not bend."""
    if not slope.requires_grad:
        return None
    options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
    return torch.autograd.grad(slope, said, grad_outputs=along, **options)[0]


def precise(x: Tensor) -> Tensor:
    """At least float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def expect_reached(doubts: Doubts, raw: Tensor, gradients: Stack, layer: str, target: Target) -> None:
    """A stack of exact zeros where the raw gradient is not: only the prefix tokens reach the score."""
    if raw.numel() > gradients.numel():
        doubts.expect(
            gradients.any() | ~raw.any(),
            lambda: ScoreIndifferent(
                f"the score of {described(target)} does not depend on the patches of layer {layer!r}: "
                "there only the class token reaches the output"
            ),
            layer,
        )
