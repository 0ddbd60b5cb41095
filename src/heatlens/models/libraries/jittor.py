"""Jittor modules: activations and gradients come from Jittor, the formulas are the same functions."""

from typing import Any

import numpy as np

from ...engine.runtimes.jittor import JittorRuns
from ...engine.runtimes.shell import Shell
from ...words.errors import BadValue
from ..subject.lacking import SLOPES, Lacking
from ..subject.library import Library
from ..subject.subject import Subject

_LACKING = Lacking(SLOPES, "Jittor is asked for what layers say and its first derivatives only")


def made_with_jittor(model: Any) -> bool:
    """Whether this is a module of Jittor, without importing it."""
    return any(base.__module__ == "jittor" and base.__name__ == "Module" for base in type(model).__mro__)


def jittor(model: Any) -> Subject:
    """A Jittor module as it is; ImageNet preprocessing is assumed."""
    check_numpy()
    return Subject(
        type(model).__name__,
        Shell(JittorRuns(model)),
        assumed=("preprocessing: 224x224, ImageNet mean and std",),
        lacking=_LACKING,
    )


def check_numpy(version: str = np.__version__) -> None:
    """`BadValue` where Jittor would silently compute garbage: 1.3.11 reads the memory of numpy 2 wrongly."""
    if int(version.partition(".")[0]) >= 2:
        raise BadValue(
            f"Jittor computes garbage with numpy {version}",
            "numpy 1.26",
            'Use an environment of its own: pip install "heatlens[jittor]"',
        )


def _wrapped(model: Any) -> Subject | None:
    return jittor(model) if made_with_jittor(model) else None


JITTOR = Library("jittor", wrap=_wrapped)
