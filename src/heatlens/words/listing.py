"""Tables of contents: what a page names, by its own name."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from .wording import spelling

T = TypeVar("T")


def by_name(
    found: Iterable[T], name: Callable[[T], str] = lambda one: str(getattr(one, "name", ""))
) -> Mapping[str, T]:
    """Each by its name, in their order; two of one name are a mistake of whoever wrote the page."""
    listed: dict[str, T] = {}
    for one in found:
        if name(one) in listed:
            raise ValueError(f"two are called {name(one)!r}")
        listed[name(one)] = one
    return MappingProxyType(listed)


def called(name: str, listed: Iterable[str]) -> str | None:
    """Which of the listed names is meant, however it is spelt; None where none is."""
    return next((own for own in listed if spelling(own) == spelling(name)), None)


def of_kind(page: Mapping[str, Any], kind: type[T]) -> list[T]:
    """What a page names of one kind: `of_kind(globals(), Form)`."""
    return [value for value in page.values() if isinstance(value, kind)]
