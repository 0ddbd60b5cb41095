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

from ..errors import LayerNotReached
from ..trees import Tree, close, main_tensor, map_tensors, rows, snapshot, tensors, version, with_main_tensor


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

    Only the first call is followed unless `call` says which: `calls` tells afterwards whether that was the last.
    """

    def __init__(self, model: nn.Module, layer: nn.Module, call: int = 0) -> None:
        self._path = {module for module in model.modules() if layer in set(module.modules())}
        self._inner = set(layer.modules()) - {layer}
        self._model, self._layer, self._call = model, layer, call
        self._marks: list[int] = []
        self._beside = 0
        self.calls = 0
        self.memories: list[Memory] = []

    @contextmanager
    def recording(self) -> Iterator["Recorder"]:
        with ExitStack() as hooks:
            for module in self._model.modules():
                if module not in self._inner and not isinstance(module, torch.jit.ScriptModule):
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
        over = self.calls > self._call
        self.calls += module is self._layer
        if over or self._beside:
            return
        del self.memories[mark:]  # calls made inside this one are covered by it
        self.memories.append(Memory(module, snapshot(output), [(t, version(t)) for t in tensors(output)]))


class Replay:
    """outputs = replay(activations), through the tail behind one layer, for variations of one image of a batch."""

    def __init__(
        self, model: nn.Module, memories: Sequence[Memory], run: Callable[[], Tree], adapt: Callable[[Tree], Tree]
    ) -> None:
        self._model, self._memories, self._run, self._adapt = model, memories, run, adapt

    def __call__(self, activations: Tensor) -> Tree:
        position = 0

        def answering(module: nn.Module, forward: Callable[..., Tree]) -> Callable[..., Tree]:
            def answer(*args: Any, **kwargs: Any) -> Tree:
                nonlocal position
                if position == len(self._memories) or self._memories[position].module is not module:
                    return forward(*args, **kwargs)
                memory = self._memories[position]
                position += 1
                output = self._adapt(memory.output)
                if position == len(self._memories):
                    return with_main_tensor(output, activations)
                return map_tensors(torch.clone, output) if memory.watched else output

            return answer

        with _answered_by({memory.module for memory in self._memories}, answering):
            outputs = self._run()
        if position != len(self._memories):
            raise LayerNotReached("the model took another path than in the pass it was recorded in")
        return outputs


@contextmanager
def _answered_by(modules: set[nn.Module], make: Callable[..., Callable[..., Tree]]) -> Iterator[None]:
    """While open, these modules answer through `make(module, forward)`; undone even when the model raises."""
    own = [(module, module.__dict__.get("forward")) for module in modules]
    try:
        for module in modules:
            module.__dict__["forward"] = make(module, module.forward)
        yield
    finally:
        for module, forward in own:
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = forward


@dataclass(frozen=True)
class Inputs:
    """What the model is called with; the first tensor among the arguments holds the images."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> Tensor:
        return main_tensor([*self.args, *self.kwargs.values()])

    @property
    def batch(self) -> int:
        return self.images.shape[0]

    def of(self, index: int, copies: int) -> "Inputs":
        """Image `index`, `copies` times."""
        args, kwargs = rows((self.args, self.kwargs), self.batch, index, copies)
        return Inputs(args, kwargs)

    def showing(self, images: Tensor) -> "Inputs":
        """The same call with other images."""
        args, kwargs = with_main_tensor((self.args, self.kwargs), images)
        return Inputs(args, kwargs)

    def run(self, model: nn.Module) -> Tree:
        return model(*self.args, **self.kwargs)


class Tail:
    """What follows one layer, by the cheapest way that proves exact for this model.

    1. "expanded": the scene's own memory, one image of it expanded to the batch of variations;
    2. "recorded": a pass recorded at the size of the batch of variations;
    3. "full": full passes with the layer's output replaced.
    Each way is checked once by replaying unchanged activations, which must give back the outputs.
    """

    def __init__(self, model: nn.Module, layer: nn.Module, inputs: Inputs, outputs: Tree, recorder: Recorder) -> None:
        self._model, self._layer, self._inputs, self._outputs = model, layer, inputs, outputs
        self._recorder = recorder
        self._last = recorder.calls - 1
        self._recorded: tuple[int, int, Replay] | None = None
        self.way = self._cheapest_way()

    def __call__(self, activations: Tensor, image: int) -> Tree:
        """Outputs for variations (k, ...) of the layer's output on one image."""
        try:
            if self.way == "expanded":
                return self._expanded(image, len(activations))(activations)
            if self.way == "recorded":
                return self._at_recorded_size(activations, image)
        except LayerNotReached:
            self.way = "full"
        return self._full(activations, image)

    def _cheapest_way(self) -> str:
        said = main_tensor(self._recorder.memories[-1].output) if self._recorder.calls == 1 else None
        if said is not None and self._exact(self._expanded(0, 2), said):
            return "expanded"
        try:
            replay = self._recording(0, 2)
            if self._exact(replay, None):
                return "recorded"
        except LayerNotReached:
            pass
        return "full"

    def _exact(self, replay: Replay, said: Tensor | None) -> bool:
        """Whether unchanged activations of the first image, twice, give back its outputs."""
        expected = rows(self._outputs, self._inputs.batch, 0, 2)
        try:
            if said is None:
                unchanged = main_tensor(replay._memories[-1].output)
            else:
                unchanged = rows(said, self._inputs.batch, 0, 2)
            return close(replay(unchanged.clone()), expected)
        except (RuntimeError, TypeError, ValueError, IndexError, LayerNotReached):
            return False

    def _expanded(self, image: int, copies: int) -> Replay:
        inputs = self._inputs.of(image, copies)
        batch = self._inputs.batch
        return Replay(
            self._model,
            self._recorder.memories,
            lambda: inputs.run(self._model),
            lambda output: rows(output, batch, image, copies),
        )

    def _recording(self, image: int, copies: int) -> Replay:
        if self._recorded is None or self._recorded[:2] != (image, copies):
            inputs = self._inputs.of(image, copies)
            with torch.no_grad(), Recorder(self._model, self._layer, self._last).recording() as recorder:
                inputs.run(self._model)
            if recorder.calls <= self._last:
                raise LayerNotReached("the model took another path than in the pass it was recorded in")
            replay = Replay(self._model, recorder.memories, lambda: inputs.run(self._model), lambda output: output)
            self._recorded = (image, copies, replay)
        return self._recorded[2]

    def _at_recorded_size(self, activations: Tensor, image: int) -> Tree:
        """A short last chunk is padded to the recorded size; the padding is dropped from the outputs."""
        size, count = self._recorded[1] if self._recorded else 0, len(activations)
        size = size if self._recorded and self._recorded[0] == image and size >= count else count
        if size > count:
            activations = torch.cat([activations, activations[-1:].expand(size - count, *activations.shape[1:])])
        outputs = self._recording(image, size)(activations)
        return map_tensors(lambda t: t[:count] if t.ndim and t.shape[0] == size else t, outputs)

    def _full(self, activations: Tensor, image: int) -> Tree:
        calls = 0

        def replace(module: nn.Module, args: Any, output: Tree) -> Tree:
            nonlocal calls
            calls += 1
            return with_main_tensor(output, activations) if calls == self._last + 1 else output

        handle = self._layer.register_forward_hook(replace)
        try:
            return self._inputs.of(image, len(activations)).run(self._model)
        finally:
            handle.remove()
