"""Numbers that are none: whose fault they are."""

from torch import nn

from ...words.errors import NotFinite
from ...words.trees import Tree, tensors


def check_finite(model: nn.Module, outputs: Tree) -> None:
    """`NotFinite` where a model returned NaN or infinity, with the weights that are to blame, if some are."""
    if all(bool(t.isfinite().all()) for t in tensors(outputs) if t.is_floating_point()):
        return
    for name, weights in model.named_parameters():
        if not bool(weights.isfinite().all()):
            raise NotFinite(f"the weights {name!r} of {type(model).__name__} contain NaN or infinity", "finite weights")
    raise NotFinite(
        f"{type(model).__name__} returned NaN or infinity",
        "finite outputs",
        "check the photo's preprocessing (mean, std) and the model's precision",
    )
