"""The network run again from one layer on, everything before it answering from memory.

What each module that finished before the layer returned is remembered; then the model's own `forward` runs again, those
modules answer from memory and the layer answers with new activations. Code between modules runs as it is written.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...words.errors import LayerNotReached
from ...words.trees import Tree, main_tensor, map_tensors, snapshot, tensors, version, with_main_tensor
from ..runtimes.shell import Shell
from ..state.answered import answered_by


@dataclass
class Memory:
    """One remembered call: who, what it returned, and whether somebody later wrote into what it returned."""

    module: nn.Module
    output: Tree
    watched: list[tuple[Tensor, int]] = field(default_factory=list)

    @property
    def written(self) -> bool:
        return any(at < 0 or version(tensor) != at for tensor, at in self.watched)


class Recorder:
    """Remembers, during one forward pass, the outermost modules that finish up to a call of the layer.

    Only the first call is followed unless `call` says which: `calls` tells afterwards how many there were.
    """

    def __init__(self, model: nn.Module, layer: nn.Module, call: int = 0) -> None:
        self._path = {module for module in model.modules() if layer in set(module.modules())}
        self._followed = _followed(model, layer)
        self._model, self._layer, self.call = model, layer, call
        self._marks: list[int] = []
        self._beside = 0
        self.calls = 0
        self.memories: list[Memory] = []

    @contextmanager
    def recording(self) -> Iterator["Recorder"]:
        with ExitStack() as hooks:
            for module in self._followed:
                hooks.callback(module.register_forward_pre_hook(self._enter).remove)
                hooks.callback(module.register_forward_hook(self._leave, always_call=False).remove)
            yield self
        for memory in self.memories:
            memory.watched = memory.watched if memory.written else []

    def _enter(self, module: nn.Module, args: Any) -> None:
        if module in self._path:
            self._marks.append(len(self.memories))
        else:
            self._beside += 1

    def _leave(self, module: nn.Module, args: Any, output: Tree) -> None:
        mark = 0
        if module in self._path:
            mark = self._marks.pop()
        else:
            self._beside -= 1
            mark = len(self.memories)
        over = self.calls > self.call
        self.calls += module is self._layer
        if over or self._beside:
            return
        del self.memories[mark:]  # calls made inside this one are covered by it
        self.memories.append(Memory(module, snapshot(output), [(t, version(t)) for t in tensors(output)]))


def _followed(model: nn.Module, layer: nn.Module) -> list[nn.Module]:
    """The modules whose calls are watched: all but those inside the layer; of a shell, those that a replay needs."""
    if isinstance(model, Shell):
        needed = model.crossing(layer)
        return [module for module in model.modules() if module is model or module in needed]
    inner = set(layer.modules()) - {layer}
    return [m for m in model.modules() if m not in inner and not isinstance(m, torch.jit.ScriptModule)]


class Replay:
    """outputs = replay(activations), through the tail behind one layer, for variations of one image of a batch."""

    def __init__(
        self, model: nn.Module, memories: Sequence[Memory], run: Callable[[], Tree], adapt: Callable[[Tree, int], Tree]
    ) -> None:
        """adapt(what is remembered, how many calls before the layer's) -> the same at the size of the variations."""
        self._model, self._memories, self._run, self._adapt = model, memories, run, adapt

    @property
    def unchanged(self) -> Tensor:
        """What the layer said, as a batch of variations."""
        return main_tensor(self._adapt(self._memories[-1].output, 0))

    def __call__(self, activations: Tensor) -> Tree:
        position = 0
        lent: list[tuple[Memory, Tree]] = []

        def answering(module: nn.Module, forward: Callable[..., Tree]) -> Callable[..., Tree]:
            def answer(*args: Any, **kwargs: Any) -> Tree:
                nonlocal position
                if position == len(self._memories) or self._memories[position].module is not module:
                    return forward(*args, **kwargs)
                memory = self._memories[position]
                position += 1
                before = len(self._memories) - position
                if before == 0 and isinstance(memory.output, Tensor) and not memory.output.is_quantized:
                    return activations
                output = self._adapt(memory.output, before)
                if before == 0:
                    return with_main_tensor(output, activations)
                if memory.watched:
                    output = map_tensors(torch.clone, output)
                    lent.append((memory, output))
                return output

            return answer

        with answered_by({memory.module: memory.module for memory in self._memories}, answering):
            outputs = self._run()
        if position != len(self._memories):
            raise LayerNotReached("the model took another path than in the pass it was recorded in")
        for memory, output in lent:
            if not any(version(tensor) for tensor in tensors(output)):
                memory.watched = []  # who wrote into it answers from memory itself: no more copies are needed
        return outputs
