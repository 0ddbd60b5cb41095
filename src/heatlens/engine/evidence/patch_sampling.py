"""What a transformer says of some of an image's patches, the tokens of the others left out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...targets import Target, score_each
from ...words.errors import EvidenceMissing
from ...words.trees import main_tensor, with_main_tensor
from ..attention.attention_pass import AttendedPass
from ..forward.batching import chunked, out_of_memory, picture_chunk
from ..passes.derivatives import precise
from ..passes.scene import Layout, Scene

Chosen = Callable[[Tensor, Tensor], Tensor]
"""chosen(i, k) -> (m, kept): which places of image i[j] the variation k[j] is shown."""


def score_patches(scene: Scene, targets: Sequence[Target], chosen: Chosen, count: int) -> Tensor:
    """y (n, count) of the chosen patches alone."""
    seen, model, device = scene.once(AttendedPass), scene.swift, scene.images.device
    names = {module: name for name, module in scene.model.named_modules()}
    first = model.get_submodule(names[seen.first])

    def score(start: int, stop: int) -> Tensor:
        at = torch.arange(start, stop, device=device)
        images = [place // count for place in range(start, stop)]
        patches = chosen(at // count, at % count)
        inputs = scene.inputs.of_each(images)
        with torch.inference_mode(), scene.precisely(), _given(first, patches, seen.layout):
            try:
                outputs = inputs.run(model)
            except RuntimeError as error:  # positions that are added to the attention itself need every token
                raise _all_or_none(model, error) from error
            return precise(score_each(outputs, [targets[image] for image in images]))

    size, total = picture_chunk(scene.images), scene.inputs.batch * count
    return torch.cat(list(chunked(score, total, size, scene.options.progress))).reshape(-1, count)


def _all_or_none(model: nn.Module, error: RuntimeError) -> Exception:
    if out_of_memory(error):
        return error
    return EvidenceMissing(
        f"{type(model).__name__} cannot leave tokens out ({str(error).splitlines()[0]})",
        "positions that are added to the tokens",
        "Use vit_cx or rise",
    )


@contextmanager
def _given(block: nn.Module, patches: Tensor, layout: Layout) -> Iterator[None]:
    """While open, the block receives its prefix tokens and these patches alone."""

    def sample(module: nn.Module, args: Any, kwargs: Any) -> Any:
        tokens = main_tensor((args, kwargs))
        return with_main_tensor((args, kwargs), _sampled(tokens, patches, layout))

    handle = block.register_forward_pre_hook(sample, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _sampled(tokens: Tensor, patches: Tensor, layout: Layout) -> Tensor:
    """The prefix and the chosen patches of tokens (m, t, c) or (t, m, c), in their order."""
    axis = 1 if len(tokens) == len(patches) else 0
    rows = tokens if axis else tokens.transpose(0, 1)
    numbers = torch.arange(1, rows.shape[1] + 1, device=tokens.device, dtype=torch.float64)[None, :, None]
    places = layout.to_stack(numbers if axis else numbers.transpose(0, 1)).flatten().long() - 1
    keep = torch.ones(len(patches), rows.shape[1], dtype=torch.bool, device=tokens.device)
    keep[:, places] = False
    keep.scatter_(1, places[patches], True)
    kept = rows[keep].reshape(len(patches), -1, rows.shape[2])
    return kept if axis else kept.transpose(0, 1)
