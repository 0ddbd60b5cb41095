"""Operations answered otherwise: other backward passes, without touching the model.

While a mode is open, the operations that it has an answer for (functions as well as modules, in place or not) are
answered by versions whose backward pass follows another rule than the derivative's.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from .operations import Operation, out_of_place

Answer = Callable[..., Any]
"""answer(operation, *its arguments) -> its result."""


class Answered(TorchFunctionMode):
    """Every torch operation in the block goes through `answers`, where there is one for it."""

    def __init__(self, answers: Mapping[Operation, Answer]) -> None:
        super().__init__()
        self.answers, self.used = answers, 0

    def __torch_function__(
        self, func: Operation, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer, given = self.answers.get(func), kwargs or {}
        if answer is None:
            return func(*args, **given)
        self.used += 1
        if "input" in given:
            args, given = (given["input"], *args), {key: x for key, x in given.items() if key != "input"}
        plain = out_of_place(func, args, given)
        if plain is None:
            return answer(func, *args, **given)
        func, (x, *others), given = plain
        return x.copy_(answer(func, x.clone(), *others, **given))


def as_if(value: Tensor, derivative: Tensor) -> Tensor:
    """The value of one, the derivative of the other."""
    derivative = derivative.to(value.dtype)
    return value.detach() + (derivative - derivative.detach())
