"""Long work in chunks: sized to memory, halved when memory runs out, reported as it goes."""

from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""progress(done, total)."""

_BUDGET = {"cpu": 256 << 20, "cuda": 2 << 30}

_ALONE: "WeakSet[nn.Module]" = WeakSet()


def one_at_a_time(model: nn.Module) -> None:
    """Declare that a model takes one image and no more, as a network exported with a fixed batch does."""
    _ALONE.add(model)


def takes_one(model: nn.Module) -> bool:
    """Whether that was declared."""
    return model in _ALONE


def chunk_size(bytes_each: int, device: torch.device) -> int:
    """How many variations fit the memory set aside for them; a tail needs several times what enters it."""
    return max(1, _BUDGET.get(device.type, 256 << 20) // max(1, 8 * bytes_each))


def picture_chunk(images: Tensor) -> int:
    """How many whole pictures are scored at once: on a CPU few, whose buffers the allocator keeps between chunks."""
    return 8 if images.device.type == "cpu" else 128


def chunked(work: Callable[[int, int], T], total: int, size: int, progress: Progress | None = None) -> Iterator[T]:
    """work(start, stop) over 0 .. total; when memory runs out the chunk is halved and tried again."""
    start = 0
    while start < total:
        stop = min(start + size, total)
        try:
            result = work(start, stop)
        except RuntimeError as error:
            if not out_of_memory(error) or size == 1:
                raise
            size = max(1, size // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        yield result
        start = stop
        if progress is not None:
            progress(start, total)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that memory ran out, on any device."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
