"""Long work in chunks: sized to memory, halved when memory runs out, reported as it goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar
from warnings import warn
from weakref import WeakSet

import torch
from torch import Tensor, nn

from ...words.errors import HeatlensWarning, NotEnoughMemory

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""progress(done, total)."""

_PICTURE = 3 * 224 * 224
"""Numbers in an ordinary picture."""
_MOST = 1024
"""Pictures at once, however small they are."""
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
    few = 8 if images.device.type == "cpu" else 128
    return min(max(few, few * _PICTURE // max(1, images[0].numel())), _MOST)


def pass_chunk(images: Tensor) -> int:
    """How many of an average's views go through one pass that keeps its graph: what it holds grows with its pixels."""
    pictures = 4 if images.device.type == "cpu" else 128
    return max(1, pictures * _PICTURE // max(1, images[0].numel()))


_SIZES: ContextVar[dict[str, int] | None] = ContextVar("sizes that did fit", default=None)


@contextmanager
def one_warning() -> Iterator[dict[str, int]]:
    """What is halved while this is open is told once, at its end: of what so many at a time did fit."""
    outer = _SIZES.get()
    if outer is not None:
        yield outer
        return
    sizes: dict[str, int] = {}
    token = _SIZES.set(sizes)
    try:
        yield sizes
    finally:
        _SIZES.reset(token)
        if sizes:
            said = ", ".join(f"{what}: {size} at a time" for what, size in sizes.items())
            warn(f"memory ran out; {said}", HeatlensWarning, stacklevel=3)


def chunked(
    work: Callable[[int, int], T], total: int, size: int, progress: Progress | None = None, what: str = "variations"
) -> Iterator[T]:
    """work(start, stop) over 0 .. total; when memory runs out the chunk is halved and tried again.

    One warning says which size did fit.  Raises `NotEnoughMemory` where one of them does not.
    """
    start, halved = 0, False
    while start < total:
        stop = min(start + size, total)
        try:
            result = work(start, stop)
        except (RuntimeError, MemoryError, NotEnoughMemory) as error:
            if not out_of_memory(error):
                raise
            if stop - start == 1:
                raise _too_large(what, error) from None
            size, halved = (stop - start) // 2, True
        else:
            if halved:
                halved = False
                with one_warning() as sizes:
                    sizes[what] = size
            yield result
            start = stop
            if progress is not None:
                progress(start, total)
            continue
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def at_once(work: Callable[[], T], images: int) -> T:
    """What needs all images together; raises `NotEnoughMemory` where they do not fit."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error) or isinstance(error, NotEnoughMemory):
            raise
    raise NotEnoughMemory(
        f"memory ran out for {images} images, which the method looks at together", "what fits into memory",
        "Give fewer, or use a smaller size, precision, or device",
    )  # fmt: skip


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | NotEnoughMemory):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)


_MEMORY = ("not enough memory", "can't allocate memory", "ALLOC_FAILED", "out of memory", "bad_alloc")
"""How torch's allocators, and the libraries below it, say it."""


def _too_large(what: str, error: BaseException) -> NotEnoughMemory:
    if isinstance(error, NotEnoughMemory):
        return error
    return NotEnoughMemory(
        f"memory ran out for {what}, one at a time", "what fits into memory", "Use a smaller size, precision, or device"
    )
