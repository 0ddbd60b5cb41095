"""The model is borrowed: in eval mode, one user at a time, and given back exactly as it was."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from threading import Lock, RLock
from weakref import WeakKeyDictionary

import torch
from torch import nn

_LOCKS: "WeakKeyDictionary[nn.Module, RLock]" = WeakKeyDictionary()
_REGISTER = Lock()


@contextmanager
def evaluating(model: nn.Module, *, differentiable: bool = False) -> Iterator[None]:
    """Every module in eval mode, random state, grad mode and train flags restored at the end; one thread a model.

    Gradients are off unless what comes out is to be differentiated.
    """
    with ExitStack() as stack:
        stack.enter_context(_lock_of(model))
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices(model)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(differentiable))
        training = [module for module in model.modules() if module.training]
        stack.callback(_set_training, training, True)
        _set_training(training, False)
        yield


def device_of(model: nn.Module) -> torch.device:
    """Where the model lives; the CPU when it has no weights."""
    weights = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if weights is None else weights.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The floating-point type of the model's weights."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def _lock_of(model: nn.Module) -> RLock:
    with _REGISTER:
        return _LOCKS.setdefault(model, RLock())


def _set_training(modules: list[nn.Module], flag: bool) -> None:
    for module in modules:
        module.training = flag


def _cuda_devices(model: nn.Module) -> list[int]:
    device = device_of(model)
    return [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
