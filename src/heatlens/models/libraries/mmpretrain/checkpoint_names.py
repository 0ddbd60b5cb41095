"""Tensors of a checkpoint under the names, and in the sizes, that a classifier of MMPretrain has."""

from torch import Tensor, nn


def adapted(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors after the model's own hooks: position embeddings resized, windows' tables rebuilt."""
    found = dict(state)
    for name, module in model.named_modules():
        for hook in module._load_state_dict_pre_hooks.values():
            hook(found, f"{name}." if name else "", {}, True, [], [], [])
    return found


def prefixed(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a backbone that was saved by itself, under the names that they have in the classifier."""
    inside = {f"backbone.{key}": value for key, value in state.items()}
    own = model.state_dict().keys()
    return inside if not own & state.keys() and own & inside.keys() else state


def with_head(model: nn.Module, state: dict[str, Tensor], name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A whole backbone without the head beside the random weights that the head has; and what to know of it."""
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    if not missing or any(key.startswith("backbone.") for key in missing):
        return state, ()
    parts = " and no ".join(dict.fromkeys(key.partition(".")[0] for key in missing))
    remark = f"{name} holds no {parts}: random weights stand there, so classes and scores mean nothing"
    return {**{key: value for key, value in state.items() if key in own}, **{key: own[key] for key in missing}}, (
        remark,
    )
