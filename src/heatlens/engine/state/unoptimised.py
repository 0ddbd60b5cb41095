"""While a model is looked into, what it does to be fast or small is put aside: compiled parts, checkpoints, cuDNN.

Compiled parts would not call hooks, checkpointed ones run again behind one's back, and cuDNN refuses the backward pass
of recurrent layers in eval mode.  Tensors made in inference mode cannot be differentiated, so copies stand for them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn


@contextmanager
def plainly(model: nn.Module) -> Iterator[None]:
    """Open it with inference mode off; everything is put back at the end."""
    with ExitStack() as stack:
        if any(is_compiled(module) for module in model.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if any(isinstance(m, nn.RNNBase) and on_cuda(m) for m in model.modules()):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        if any(t.is_inference() for t in chain(model.parameters(), model.buffers())):
            stack.enter_context(_copied(model))
        stack.enter_context(_unchecked())
        yield


def is_compiled(module: nn.Module) -> bool:
    """Whether `torch.compile` made it, or `module.compile()` was called."""
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


def on_cuda(module: nn.Module) -> bool:
    """Whether its weights are on a GPU of NVIDIA, whose cuDNN runs it."""
    return any(weights.is_cuda for weights in module.parameters())


def ordinary(tensor: Tensor) -> Tensor:
    """The tensor; a copy of one that was made in inference mode, so that it can be differentiated."""
    if not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()


@contextmanager
def _copied(model: nn.Module) -> Iterator[None]:
    """While open, copies stand for weights and buffers that were made in inference mode."""
    held: list[tuple[dict[str, Any], str, Tensor]] = []
    stores: list[dict[str, Any]] = []
    for module in model.modules():
        stores += [module._parameters, module._buffers]
    copies: dict[int, Tensor] = {}
    try:
        for store in stores:
            for name, tensor in store.items():
                if tensor is not None and tensor.is_inference():
                    held.append((store, name, tensor))
                    if id(tensor) not in copies:  # weights that are tied stay tied
                        copy = ordinary(tensor.data)
                        tied = nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
                        copies[id(tensor)] = tied
        for store, name, tensor in held:
            store[name] = copies[id(tensor)]
        yield
    finally:
        for store, name, tensor in held:
            store[name] = tensor


class _Here(threading.local):
    """How often this thread has put checkpoints aside."""

    depth = 0


_HERE, _LOCK = _Here(), threading.Lock()
_EVERYWHERE: list[None] = []
"""One for each time that any thread has."""


@contextmanager
def _unchecked() -> Iterator[None]:
    """While open, `torch.utils.checkpoint` runs what it is given, in this thread."""
    with _LOCK:
        _EVERYWHERE.append(None)
        _exchange(_INSTEAD)
    _HERE.depth += 1
    try:
        yield
    finally:
        _HERE.depth -= 1
        with _LOCK:
            _EVERYWHERE.pop()
            if not _EVERYWHERE:
                _exchange(_OWN)


class _Checkpoint:
    """In the place of what checkpoints with `use_reentrant=True`."""

    @staticmethod
    def apply(run: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        return run(*args) if _HERE.depth else _OWN["CheckpointFunction"].apply(run, preserve, *args)


def _hook(*given: Any, **named: Any) -> AbstractContextManager[Any]:
    """In the place of what checkpoints with `use_reentrant=False`."""
    own: AbstractContextManager[Any] = _OWN["_checkpoint_hook"](*given, **named)
    return nullcontext() if _HERE.depth else own


_INSTEAD: dict[str, Any] = {"CheckpointFunction": _Checkpoint, "_checkpoint_hook": _hook}
_OWN: dict[str, Any] = {name: getattr(torch.utils.checkpoint, name, None) for name in _INSTEAD}


def _exchange(things: dict[str, Any]) -> None:
    for name, thing in things.items():
        if _OWN[name] is not None:
            setattr(torch.utils.checkpoint, name, thing)
