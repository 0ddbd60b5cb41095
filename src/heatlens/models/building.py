"""Building a network by name: what can go wrong there, said in one line."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import BadValue, ModelUnavailable

T = TypeVar("T")


def built(build: Callable[[], T], name: str, arguments: dict[str, Any]) -> T:
    """What `build` returns; where it stumbles over a person's arguments, `BadValue` names them."""
    try:
        return build()
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError, AttributeError) as error:
        if not arguments:
            raise
        said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise BadValue(
            f"{name} cannot be built with {said}: {first_line(error)}", "arguments that the model's constructor takes"
        ) from error


def unavailable(name: str, error: BaseException) -> ModelUnavailable:
    """The weights of a name are neither here nor to be had."""
    return ModelUnavailable(
        f"the weights of {name} are not on this machine and could not be downloaded ({first_line(error)})",
        "a network connection, or the file",
        'give weights=FILE, or weights="none" for random weights',
    )


def first_line(error: BaseException) -> str:
    """What went wrong, as a phrase."""
    lines = str(getattr(error, "reason", error)).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().rstrip(".")
