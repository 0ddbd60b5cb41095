"""The model is borrowed: in eval mode, one user at a time, and given back exactly as it was."""

import threading
from contextlib import ExitStack
from itertools import chain
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack, _pop_mode

from .interrupts import Interrupts, undisturbed
from .unoptimised import plainly

_FREE = threading.Condition()
_BORROWED: dict[int, tuple[int, int]] = {}
"""id of a module -> the thread that uses it, and how often."""
_PATIENCE = 0.05
"""Seconds between looks at whether a person has interrupted the wait for another thread."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class evaluating:  # noqa: N801  (a context manager, used as a word)
    """Every module in eval mode, random state, grad mode, train flags and hooks restored at the end.

    One thread at a time has a model, or any part of one: all modules are taken at once, so that models that share
    parts wait for each other and not in a circle.  Gradients are off unless what comes out is to be differentiated.
    An interrupt comes before, in between or after, never while something is being changed.
    """

    def __init__(self, model: nn.Module, *, differentiable: bool = False) -> None:
        self._model, self._differentiable = model, differentiable
        self._interrupts = Interrupts()

    @undisturbed
    def __enter__(self) -> None:
        self._interrupts.hold()
        self._modules = list(self._model.modules())
        try:
            self._borrow()
        except BaseException:
            self._interrupts.release()
            raise
        self._training = [module for module in self._modules if module.training]
        self._hooks = [[tuple(getattr(module, kind)) for kind in _HOOKS] for module in self._modules]
        self._answers = [module.__dict__.get("forward") for module in self._modules]
        self._modes = _open_modes()
        self._grad = torch.is_grad_enabled()
        self._stack = ExitStack()
        self._stack.enter_context(torch.random.fork_rng(devices=_cuda_devices(self._model)))
        self._stack.enter_context(torch.inference_mode(False))
        self._stack.enter_context(plainly(self._model))
        torch.set_grad_enabled(self._differentiable)
        _set_training(self._training, False)

    @undisturbed
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_training(self._training, True)
        if kind is not None:
            self._without_strays()
        torch.set_grad_enabled(self._grad)
        self._stack.close()
        self._give_back()
        self._interrupts.release()

    def _borrow(self) -> None:
        """Wait until no other thread has any of the modules, and take them all."""
        me, ids = threading.get_ident(), [id(module) for module in self._modules]
        with _FREE:
            while any(_BORROWED.get(one, (me, 0))[0] != me for one in ids):
                _FREE.wait(_PATIENCE)
                if self._interrupts.waiting:
                    raise KeyboardInterrupt
            for one in ids:
                _BORROWED[one] = (me, _BORROWED.get(one, (me, 0))[1] + 1)

    def _give_back(self) -> None:
        with _FREE:
            for one in map(id, self._modules):
                me, count = _BORROWED.pop(one)
                if count > 1:
                    _BORROWED[one] = (me, count - 1)
            _FREE.notify_all()

    def _without_strays(self) -> None:
        """Take off what an interrupt left between its being set and being noted: hooks, others' answers, modes."""
        for module, own in zip(self._modules, self._answers, strict=True):
            if own is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = own
        for _ in range(_open_modes() - self._modes):
            _pop_mode()  # type: ignore[no-untyped-call]
        for module, found in zip(self._modules, self._hooks, strict=True):
            for kind, known in zip(_HOOKS, found, strict=True):
                hooks: dict[Any, Any] = getattr(module, kind)
                for stray in [key for key in hooks if key not in known]:
                    del hooks[stray]


def _open_modes() -> int:
    return len(_get_current_function_mode_stack())  # type: ignore[no-untyped-call]


def device_of(model: nn.Module) -> torch.device:
    """Where the model lives; the CPU when it has no weights."""
    weights = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if weights is None else weights.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The floating-point type of the model's weights."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def _set_training(modules: list[nn.Module], flag: bool) -> None:
    for module in modules:
        module.training = flag


def _cuda_devices(model: nn.Module) -> list[int]:
    device = device_of(model)
    return [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
