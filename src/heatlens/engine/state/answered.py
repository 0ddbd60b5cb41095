"""Modules that answer through somebody else for a while."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

K = TypeVar("K")


@contextmanager
def answered_by(
    modules: Mapping[K, Any], make: Callable[[K, Callable[..., Any]], Callable[..., Any]], method: str = "forward"
) -> Iterator[None]:
    """While open, these modules answer through `make(key, method)`; undone even when the model raises."""
    own = [(module, module.__dict__.get(method)) for module in modules.values()]
    try:
        for key, module in modules.items():
            module.__dict__[method] = make(key, getattr(module, method))
        yield
    finally:
        for module, kept in own:
            if kept is None:
                module.__dict__.pop(method, None)
            else:
                module.__dict__[method] = kept
