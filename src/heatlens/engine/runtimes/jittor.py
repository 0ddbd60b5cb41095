"""Jittor as the runtime of a shell: activations and gradients are Jittor's, tensors are torch's."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...words.optional import require
from ..state.answered import answered_by
from .shell import Part, Values


class JittorRuns:
    """A Jittor module.  While it runs, `execute` of the modules concerned is answered here; nothing stays behind."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._modules = {name: module for name, module in model.named_modules() if name}
        self.parts = {name: _part(module) for name, module in self._modules.items()}
        self._calls: Counter[str] = Counter()
        self._spans: dict[str, tuple[int, int]] = {}

    def run(self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str]) -> tuple[Values, list[Tensor]]:
        jittor = require("jittor")
        with jittor.no_grad():
            said, outputs = self._pass(_var(images), {name: _var(t) for name, t in given.items()}, wanted)
            return {name: _tensor(var) for name, var in said.items()}, [_tensor(var) for var in outputs]

    def crossing(self, layer: str) -> Iterable[str]:
        """The outermost modules that had finished when the layer began, in the last pass; each called once."""
        begin = self._spans.get(layer, (0, 0))[0]
        before = {name: span for name, span in self._spans.items() if span[1] < begin and self._calls[name] == 1}
        spans = list(before.values())
        return [name for name, (a, b) in before.items() if not any(c < a and b < d for c, d in spans)]

    def pulled(
        self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str], flows: Sequence[Tensor], shown: bool
    ) -> list[Tensor | None]:
        jittor = require("jittor")
        picture, answers = _var(images), {name: _var(tensor) for name, tensor in given.items()}
        said, outputs = self._pass(picture, answers, wanted)
        leaving = [*(said[name] for name in wanted), *outputs]
        total = sum((var * _var(flow)).sum() for var, flow in zip(leaving, flows, strict=True))
        sources = [*([picture] if shown else []), *answers.values()]
        found: list[Tensor | None] = [_tensor(var) for var in jittor.grad(total, sources)]
        return found if shown else [None, *found]

    def _pass(self, picture: Any, given: Mapping[str, Any], wanted: Sequence[str]) -> tuple[dict[str, Any], list[Any]]:
        """What the wanted modules say, in the order in which they finish, and the outputs."""
        said: dict[str, Any] = {}
        calls: Counter[str] = Counter()
        spans: dict[str, tuple[int, int]] = {}
        clock = iter(range(1 << 62))

        def watching(name: str, execute: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*args: Any, **kwargs: Any) -> Any:
                begin = next(clock)
                calls[name] += 1
                last = calls[name] >= max(1, self._calls[name])
                output = given[name] if name in given and last else execute(*args, **kwargs)
                spans[name] = (begin, next(clock))
                if name in wanted:
                    said.pop(name, None)
                    said[name] = output
                return output

            return watched

        with _evaluating(self._model), answered_by(self._modules, watching, "execute"):
            outputs = self._model(picture)
        if not given:
            self._calls, self._spans = calls, spans
        return said, list(outputs) if isinstance(outputs, list | tuple) else [outputs]


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Every module in eval mode, and as it was at the end."""
    training = [module for module in model.modules() if module.is_training()]
    try:
        for module in training:
            module.is_train = False
        yield
    finally:
        for module in training:
            module.is_train = True


def _part(module: Any) -> Part:
    return Part(type(module).__name__, bool(module.parameters()), len(module.modules()) == 1)


def _var(tensor: Tensor) -> Any:
    return require("jittor").array(tensor.detach().cpu().contiguous().numpy())


def _tensor(var: Any) -> Tensor:
    return torch.from_numpy(var.numpy())
