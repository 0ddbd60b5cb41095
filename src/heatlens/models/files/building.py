"""Building a network by name: what can go wrong there, said in one line."""

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

from torch.utils._python_dispatch import TorchDispatchMode

from ...words.errors import BadValue, ModelUnavailable
from ...words.limits import limit, raised_by

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


class bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]  # noqa: N801  (used as a word)
    """While open, tensors are counted before they are made; `ModelUnavailable` where a network would be enormous.

    rehearsed: large tensors get no memory, so that it is only found out how much they would take.
    """

    def __init__(self, name: str, *, rehearsed: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name, self.made, self.rehearsed = name, 0, rehearsed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation itself, if what it makes is within the limit."""
        if func.overloadpacket._qualified_op_name in _FACTORIES and isinstance(args[0], list | tuple):
            self.made += (count := prod(args[0]))
            check_parameters(self.made, self.name)
            if self.rehearsed and count > _SMALL:
                kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


_FACTORIES = {f"aten::{word}" for word in ("empty", "zeros", "ones", "full", "rand", "randn")}


_SMALL = 2**20


def check_parameters(count: int, name: str) -> None:
    """Raise `ModelUnavailable` for more numbers than a network may have."""
    most = limit("HEATLENS_MAX_PARAMETERS")
    if count > most:
        raise ModelUnavailable(
            f"{name} describes a network of {count:,} numbers or more",
            f"at most {most:,}",
            raised_by("HEATLENS_MAX_PARAMETERS"),
        )
