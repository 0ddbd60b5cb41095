"""What layers say during a forward pass, and how the score would change with it."""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ...words.errors import BadSetting, BadValue, LayerNotReached, unknown
from ...words.trees import Tree, main_tensor, with_main_tensor

NONE: Mapping[str, int] = MappingProxyType({})


def find_layers(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """The modules of these names; `UnknownName` with close ones for what the model does not have."""
    modules = dict(model.named_modules())
    found = {name: _split(name, modules)[0] for name in names}
    for name in found.values():
        if not name or name not in modules:
            known = [n for n in modules if n]
            raise unknown("layer", name, known, "heatlens layers MODEL", owner=type(model).__name__)
        if isinstance(modules[name], torch.jit.ScriptModule):
            raise BadValue(
                f"layer {name!r} is TorchScript, which cannot be looked into",
                "a torch.nn.Module",
                "load the model from its Python code, or export it to ONNX",
            )
    return {name: modules[bare] for name, bare in found.items()}


def calls_meant(model: nn.Module, names: Sequence[str]) -> dict[str, int]:
    """Which call of a layer is meant, where its name says so: of `trunk@1` the second."""
    modules = dict(model.named_modules())
    calls = {name: _split(name, modules)[1] for name in names}
    return {name: call for name, call in calls.items() if call is not None}


def _split(name: str, known: Container[str]) -> tuple[str, int | None]:
    bare, at, call = name.rpartition("@")
    return (bare, int(call)) if name not in known and at and call.isdecimal() else (name, None)


class Captured(dict[str, Tensor]):
    """What layers said, by name, and how often each ran."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def check(self, model: nn.Module, layers: Mapping[str, nn.Module], meant: Mapping[str, int]) -> None:
        """`LayerNotReached` where one did not run, `BadSetting` where one ran several times and nobody said which."""
        kind = type(model).__name__
        for layer in layers:
            runs, bare = self.calls[layer], layer.removesuffix(f"@{meant.get(layer)}")
            if runs == 0:
                raise LayerNotReached(
                    f"the forward pass of {kind} did not go through layer {bare!r}",
                    "a layer that runs",
                    "list those that do with: heatlens layers MODEL",
                )
            if meant.get(layer, runs - 1) >= runs or (layer not in meant and runs > 1):
                each = " or ".join(f"{bare}@{k}" for k in range(runs)) if runs < 4 else f"{bare}@0 to {bare}@{runs - 1}"
                raise BadSetting(
                    f"layer {layer!r}, which {kind} runs {_times(runs)} in one pass",
                    f"one of its runs, {each}",
                    f"write {bare}@all for all of them",
                )


def _times(runs: int) -> str:
    return {1: "once", 2: "twice"}.get(runs, f"{runs} times")


@contextmanager
def capture(layers: Mapping[str, nn.Module], *, graph: bool, meant: Mapping[str, int] = NONE) -> Iterator[Captured]:
    """While open, a forward pass leaves each layer's output under its name.  meant: which of its calls, the first 0.

    With `graph`, the first captured layer starts the autograd graph at a detached leaf: nothing before it is
    differentiated, whatever is frozen (where the graph is already running, it is joined instead).
    What flows on is a copy: an in-place operation behind the layer cannot change what was seen.
    """
    seen = Captured()

    def look(name: str, output: Tree) -> Tree:
        said = main_tensor(output)
        if graph:
            torch.set_grad_enabled(True)  # ends with the no_grad block that `evaluating` opened
            # a view where the graph is running: paths that left before this layer ended do not count
            said = said.view_as(said) if said.requires_grad else said.detach().requires_grad_()
        seen[name] = said
        return with_main_tensor(output, said.clone())

    def hook(name: str, wanted: int | None) -> Callable[[nn.Module, Any, Tree], Tree | None]:
        def watch(module: nn.Module, args: Any, output: Tree) -> Tree | None:
            call = seen.calls[name]
            seen.calls[name] += 1
            return look(name, output) if wanted is None or call == wanted else None

        return watch

    with ExitStack() as hooks, torch.set_grad_enabled(torch.is_grad_enabled()):
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(hook(name, meant.get(name))).remove)
        yield seen
