"""Methods: one paper, one file, each a pure function from evidence to maps."""

import sys
from types import ModuleType

from .contents import method_names


class _Contents(ModuleType):
    """The package answers a call, since `heatlens.methods` is both the room and the list of what is in it."""

    def __call__(self) -> list[str]:
        return method_names()


sys.modules[__name__].__class__ = _Contents
