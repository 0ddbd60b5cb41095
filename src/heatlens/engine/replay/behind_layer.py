"""What follows one layer, for variations of what the layer says."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ...words.errors import LayerNotReached
from ...words.trees import Tree, close, map_tensors, rows, rows_of_each, taken, with_main_tensor
from ..forward.batching import out_of_memory, takes_one
from ..forward.inputs import Inputs
from .replay import Recorder, Replay


class Tail:
    """What follows one layer, by the cheapest way that proves exact for this model.

    1. "expanded": the scene's own memory, one image of it expanded to the batch of variations;
    2. "recorded": a pass recorded at the size of the batch of variations;
    3. "full": full passes with the layer's output replaced.
    Each way is checked once by replaying unchanged activations, which must give back the outputs.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module,
        inputs: Inputs,
        outputs: Tree,
        recorder: Recorder,
        call: int | None = None,
    ) -> None:
        """call: which of the layer's is replaced; None: the last."""
        self._model, self._layer, self._inputs, self._outputs = model, layer, inputs, outputs
        self._recorder = recorder
        self._call = recorder.calls - 1 if call is None else call
        # not as many as there are images: what does not expand would pass for expanded
        self._tried = 1 if takes_one(model) else 3 if inputs.batch == 2 else 2
        self._recorded: tuple[int, int, Replay] | None = None
        self.way = self._cheapest_way()

    def __call__(self, activations: Tensor, image: int | Sequence[int], count: int | None = None) -> Tree:
        """Outputs for `count` variations of the layer's output on one image, by default as many as there are rows.

        image: or the image of every row, where the tail `mixes`.
        """
        count = len(activations) if count is None else count
        images = [image] * count if isinstance(image, int) else list(image)
        try:
            if self.way == "expanded":
                return self._expanded(images)(activations)
            if self.way == "recorded":
                return self._at_recorded_size(activations, images[0], count)
        except LayerNotReached:
            self.way = "full"
        except RuntimeError:
            self._recorded = None  # where memory ran out, fewer are asked next: no padding to what did not fit
            raise
        return self._full(activations, images)

    @property
    def mixes(self) -> bool:
        """Whether rows of several images go through it together, at hardly more than those of one cost."""
        return self._read is not None

    @cached_property
    def _read(self) -> int | None:
        """How many of the calls before the layer's are read behind it; None: many, or nobody knows.

        With nothing but NaN in the place of the others the outputs are the same.
        """
        if self.way != "expanded" or self._inputs.batch == 1:
            return None
        return next((n for n in (0, 1) if self._exact(self._expanded([0] * self._tried, n))), None)

    def _cheapest_way(self) -> str:
        try:
            return self._proven_way()
        except (RuntimeError, MemoryError) as error:
            if self._inputs.batch > 1 or self._tried == 1 or not out_of_memory(error):
                raise  # where there are several images, fewer are asked next
        self._tried = 1  # two do not fit, so that one is all that will ever be replayed
        try:
            return "recorded" if self._exact(self._recording(0, 1)) else "full"
        except (LayerNotReached, RuntimeError):  # a rule that compares two refuses one
            return "full"

    def _proven_way(self) -> str:
        if self._recorder.call == self._call and self._exact(self._expanded([0] * self._tried)):
            return "expanded"
        try:
            if self._exact(self._recording(0, self._tried)):
                return "recorded"
        except LayerNotReached:
            pass
        return "full"

    def _exact(self, replay: Replay) -> bool:
        """Whether unchanged activations of the first image, twice where it may be, give back its outputs."""
        expected = rows(self._outputs, self._inputs.batch, 0, self._tried)
        try:
            return close(replay(replay.unchanged.clone()), expected)
        except Exception as error:  # whatever a model of the day does not like about another batch, or about NaN
            if out_of_memory(error):
                raise
            return False

    def _expanded(self, images: Sequence[int], read: int | None = None) -> Replay:
        """read: so many calls before the layer's as they are, NaN in the place of the others; None: all."""
        inputs, batch = self._inputs.of_each(images), self._inputs.batch
        if any(image != images[0] for image in images):
            read = self._read

        def adapt(output: Tree, before: int) -> Tree:
            if read is not None and before > read:
                return _blank(output, batch, len(images))
            return rows_of_each(output, batch, images)

        return Replay(self._model, self._recorder.memories, lambda: inputs.run(self._model), adapt)

    def _recording(self, image: int, copies: int) -> Replay:
        if self._recorded is None or self._recorded[:2] != (image, copies):
            inputs = self._inputs.of(image, copies)
            with torch.no_grad(), Recorder(self._model, self._layer, self._call).recording() as recorder:
                inputs.run(self._model)
            if recorder.calls <= self._call:
                raise LayerNotReached("the model took another path than in the pass it was recorded in")
            replay = Replay(self._model, recorder.memories, lambda: inputs.run(self._model), lambda output, _: output)
            self._recorded = (image, copies, replay)
        return self._recorded[2]

    def _at_recorded_size(self, activations: Tensor, image: int, count: int) -> Tree:
        """A short last chunk is padded to the recorded size; the padding is dropped from the outputs."""
        size = self._recorded[1] if self._recorded else 0
        padded = self._recorded and self._recorded[0] == image and size >= count == len(activations)
        size = size if padded else count
        if size > count:
            activations = torch.cat([activations, activations[-1:].expand(size - count, *activations.shape[1:])])
        outputs = self._recording(image, size)(activations)
        return outputs if count == size else taken(outputs, size, list(range(count)))

    def _full(self, activations: Tensor, images: Sequence[int]) -> Tree:
        calls = 0

        def replace(module: nn.Module, args: Any, output: Tree) -> Tree:
            nonlocal calls
            calls += 1
            return with_main_tensor(output, activations) if calls == self._call + 1 else output

        handle = self._layer.register_forward_hook(replace)
        try:
            return self._inputs.of_each(images).run(self._model)
        finally:
            handle.remove()


def _blank(tree: Tree, batch: int, copies: int) -> Tree:
    """NaN in the shape of what `rows` gives; whole numbers as the first image has them."""
    return map_tensors(
        lambda x: x.new_full((1,), torch.nan).expand(x.shape) if x.is_floating_point() else x,
        rows(tree, batch, 0, copies),
    )
