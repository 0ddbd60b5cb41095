"""What layers say during a forward pass, and how the score would change with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadValue, unknown
from ..trees import Tree, main_tensor, with_main_tensor


def find_layers(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """The modules of these names; `UnknownName` with close ones for what the model does not have."""
    modules = dict(model.named_modules())
    for name in names:
        if not name or name not in modules:
            known = [n for n in modules if n]
            raise unknown("layer", name, known, "heatlens layers MODEL", owner=type(model).__name__)
        if isinstance(modules[name], torch.jit.ScriptModule):
            raise BadValue(
                f"layer {name!r} is TorchScript, which cannot be looked into",
                "a torch.nn.Module",
                "load the model from its Python code, or export it to ONNX",
            )
    return {name: modules[name] for name in names}


@contextmanager
def capture(layers: Mapping[str, nn.Module], *, graph: bool) -> Iterator[dict[str, Tensor]]:
    """While open, a forward pass leaves each layer's output under its name; a module used several times, its last.

    With `graph`, the first captured layer starts the autograd graph at a detached leaf: nothing before it is
    differentiated, whatever is frozen (where the graph is already running, it is joined instead).
    What flows on is a copy: an in-place operation behind the layer cannot change what was seen.
    """
    seen: dict[str, Tensor] = {}

    def look(name: str, output: Tree) -> Tree:
        said = main_tensor(output)
        if graph:
            torch.set_grad_enabled(True)  # ends with the no_grad block that `evaluating` opened
            # a view where the graph is running: paths that left before this layer ended do not count
            said = said.view_as(said) if said.requires_grad else said.detach().requires_grad_()
        seen[name] = said
        return with_main_tensor(output, said.clone())

    def hook(name: str) -> Callable[[nn.Module, Any, Tree], Tree]:
        return lambda module, args, output: look(name, output)

    with ExitStack() as hooks, torch.set_grad_enabled(torch.is_grad_enabled()):
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(hook(name)).remove)
        yield seen
