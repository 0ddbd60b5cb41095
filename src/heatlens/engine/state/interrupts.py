"""Ctrl-C waits for the moments in which something of a model is changed or given back, and comes right after them."""

import _thread
import signal
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

_AGAIN = 0.01
"""Seconds until an interrupt that had to wait is tried again."""
_MOMENTS: set[CodeType] = set()
F = TypeVar("F", bound=Callable[..., Any])


def undisturbed(function: F) -> F:
    """A function that is not interrupted while interrupts are held."""
    _MOMENTS.add(function.__code__)
    return function


class Interrupts:
    """From `hold` to `release`, SIGINT goes to the handler that was there, except in such moments: then it waits.

    Moments are undisturbed functions, and all that enters or leaves a `with` block.  Signals are the main thread's;
    in others nothing is held, for nothing comes.
    """

    def __init__(self) -> None:
        self.waiting = False
        self._before: Callable[[int, FrameType | None], Any] | None = None
        self._depth = 0

    def hold(self) -> None:
        """Begin, unless an outer one holds already."""
        before = signal.getsignal(signal.SIGINT) if _is_main() else None
        if callable(before) and not isinstance(getattr(before, "__self__", None), Interrupts):
            self._depth, self._before = _depth(sys._getframe()) - 3, before
            signal.signal(signal.SIGINT, self._received)

    def release(self) -> None:
        """End; an interrupt that waited comes now."""
        before = self._before
        if before is not None:
            signal.signal(signal.SIGINT, before)
            self._before = None
            if self.waiting:
                self.waiting = False
                before(signal.SIGINT, sys._getframe())

    def _received(self, number: int, frame: FrameType | None) -> None:
        before = self._before
        if before is None or not self._is_moment(frame):
            self.waiting = False
            (before or signal.default_int_handler)(number, frame)
            return
        self.waiting = True
        timer = threading.Timer(_AGAIN, self._remind)
        timer.daemon = True
        timer.start()

    def _remind(self) -> None:
        if self.waiting:
            _thread.interrupt_main()

    def _is_moment(self, frame: FrameType | None) -> bool:
        depth = 0 if frame is None else _depth(frame)
        while frame is not None and depth > self._depth:
            name, code = frame.f_code.co_name, frame.f_code
            entering = (
                name == "__enter__" and frame.f_globals.get("__name__") != "contextlib"
            )  # which runs whole bodies
            if name == "__exit__" or entering or code in _MOMENTS:
                return True
            frame, depth = frame.f_back, depth - 1
        return False


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _depth(frame: FrameType) -> int:
    count, outer = 0, frame.f_back
    while outer is not None:
        count, outer = count + 1, outer.f_back
    return count
