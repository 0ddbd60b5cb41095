"""Networks that write into what they computed, as detectors' heads do: while gradients are taken, copies are kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from weakref import WeakSet

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ...words.errors import EvidenceMissing

T = TypeVar("T")
_WRITING: "WeakSet[nn.Module]" = WeakSet()


class WrittenOver(EvidenceMissing):
    """What a backward pass needs was written over during the forward pass."""

    def __init__(self) -> None:
        super().__init__(
            "the model writes into what its gradients need (an in-place operation)",
            "a copy: y = y.clone() before it is written to",
            "Use a method without gradients, such as ablation_cam or score_cam",
        )

    def __reduce__(self) -> Any:
        return type(self), ()


def again_if_written(model: nn.Module, work: Callable[[], T]) -> T:
    """What `work` finds; done again with copies kept, from then on too, where the model turns out to write."""
    try:
        return work()
    except (WrittenOver, RuntimeError) as error:
        if model in _WRITING or not (isinstance(error, WrittenOver) or is_about_writing(error)):
            raise
    _WRITING.add(model)
    return work()


def writes_like(copy: nn.Module, model: nn.Module) -> nn.Module:
    """A private copy of a model, treated as the model is."""
    if model in _WRITING:
        _WRITING.add(copy)
    return copy


def is_about_writing(error: Exception) -> bool:
    """Whether torch complains that something was written over, or may not be."""
    return any(word in str(error) for word in ("inplace operation", "modified inplace", "in-place operation"))


def keeping(model: nn.Module) -> AbstractContextManager[Any]:
    """While open, what is saved for the backward pass of a model that writes is a copy."""
    return saved_tensors_hooks(_copy, _as_it_is) if model in _WRITING else nullcontext()


def _copy(tensor: Tensor) -> Tensor:
    weights = tensor.is_leaf and tensor.requires_grad
    return tensor if weights else tensor.detach().clone()


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
