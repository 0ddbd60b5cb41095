"""What a call costs a device, counted: the operations that it dispatches, and how often it waits for their numbers."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_READING = {
    _aten._local_scalar_dense.default, _aten.equal.default, _aten.nonzero.default, _aten.masked_select.default,
    _aten._unique2.default,
}  # fmt: skip
"""Operations whose result the host waits for: `.item()`, `bool`, `int`, and those whose shape depends on values."""
_TAKING = {torch.Tensor.tolist, torch.Tensor.numpy}
"""How several numbers are taken at once, which dispatches nothing on a CPU."""


class Counted:
    """How many operations, and how many host reads; while they are counted, and afterwards."""

    def __init__(self) -> None:
        self.each: Counter[str] = Counter()
        self.reads = 0

    @property
    def operations(self) -> int:
        return sum(self.each.values())


class _Dispatched(TorchDispatchMode):
    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._counted.each[str(func)] += 1
        self._counted.reads += func in _READING
        return func(*args, **(kwargs or {}))


class _Taken(TorchFunctionMode):
    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._counted.reads += func in _TAKING
        return func(*args, **(kwargs or {}))


def counted(work: Callable[[], Any]) -> Counted:
    """The counts of one call."""
    found = Counted()
    with _Taken(found), _Dispatched(found):
        work()
    return found
