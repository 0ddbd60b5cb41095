"""A method is a function: its positional parameters name the evidence it needs, its keyword-only ones are settings."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from . import cautions
from .converting import convert
from .errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    Method: TypeAlias = Callable[..., Tensor]
else:  # methods are listed without loading torch
    Method = Callable[..., Any]

EVIDENCE = MappingProxyType(
    {
        "activations": "A, what the layer says: (n, c, *space)",
        "gradients": "dy/dA, how the score would change with it: (n, c, *space)",
        "class_weights": "w of a head linear in the mean of A: (n, c); of that of ReLU(A): (n, c, *space), 0 off A > 0",
        "images": "X, what the model was shown: (n, channels, *size)",
        "baseline": "X_0, the black picture in the model's units: (n, channels, *size)",
        "enlarge": "enlarge(stack) -> U(stack), linearly interpolated to the size of the images",
        "perturbed": "perturbed(pictures) -> (A, dy/dA) of each picture (n, channels, *size) in turn, the target fixed",
        "score_under": "score_under(pictures, count, probability=False) -> y (n, count) of the pictures(i, k)",
        "score_with": "score_with(vary, count, probability=False) -> y (n, count) at the layer's vary(A_i, k)",
        "gradients_with": "gradients_with(vary, count) -> the mean over k of dy/dA at vary(A_i, k): (n, c, *space)",
        "curvature": "curvature(V) -> the Hessian of y with respect to A, times V: (n, c, *space)",
        "full_gradients": "full_gradients(images=X) -> X * dy/dX, then b * dy/dz of every layer z = ... + b",
        "propagated": "propagated(rule, ...) -> the score sent back under another rule than the derivative's",
        "attention": "Att_l, what every block of a transformer attends to, and how its tokens lie on the image",
        "attention_gradients": "attention_gradients(of) -> dy/dAtt_l of every block, or ds_l/dAtt_l of its own score",
    }
)
"""The words a method may ask for.  The engine implements exactly these."""

_PASSES = {
    "gradients": "1 backward",
    "perturbed": "1 forward and backward a sample",
    "score_under": "1 forward a picture",
    "score_with": "1 replay a variation",
    "gradients_with": "1 replay and backward a step",
    "curvature": "1 more backward",
    "full_gradients": "1 backward to the image",
    "propagated": "1 backward under another rule",
    "attention": "1 forward with attention written out",
    "attention_gradients": "1 backward through the blocks",
}
_SAMPLED = {"full_gradients": "1 forward and backward to the image a sample"}


@dataclass(frozen=True)
class Entry:
    """A method and what its file declares beside the formula."""

    name: str
    function: Method
    fuse: str = "mean"
    """How the maps of several layers combine when nobody says otherwise."""
    layers: Literal["default", "convolutions", "stages"] = "default"
    """Which layers it is meant for when nobody says otherwise; a stage ends before each change of resolution."""
    joint: bool = False
    """Whether the images of a batch are explained together."""
    signed: bool = False
    """Whether the map's negative values mean something."""
    optimises: bool = False
    """Whether it differentiates the scores that it asks for."""
    display: Literal["peak", "range"] = "peak"
    """How a map is scaled to be looked at: by its largest magnitude, or from its lowest to its highest value."""
    caution: Callable[[cautions.Looked, cautions.Settings], str] = cautions.none
    """Why its map may not hold still, in such a network with such settings; empty where it does."""

    @property
    def paper(self) -> str:
        """The first paragraph of the file: what, who, where."""
        module = inspect.getmodule(self.function)
        return " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())

    @property
    def cost(self) -> str:
        """Passes through the network, in words."""
        passes = _PASSES | _SAMPLED if "samples" in settings(self.function) else _PASSES
        return " + ".join(["1 forward", *(passes[word] for word in needs(self.function) if word in passes)])


_DECLARED = "__heatlens_method__"


@overload
def method(function: Method) -> Method: ...
@overload
def method(
    *,
    fuse: str = ...,
    layers: Literal["default", "convolutions", "stages"] = ...,
    joint: bool = ...,
    signed: bool = ...,
    optimises: bool = ...,
    display: Literal["peak", "range"] = ...,
    caution: Callable[[cautions.Looked, cautions.Settings], str] = ...,
) -> Callable[[Method], Method]: ...
def method(function: Method | None = None, **said: Any) -> Method | Callable[[Method], Method]:
    """Declare a method by the name of its function; `declared_by` reads what is said here."""

    def declare(function: Method) -> Method:
        vars(function)[_DECLARED] = Entry(function.__name__, function, **said)
        return function

    return declare if function is None else declare(function)


def declared_by(function: Method) -> Entry | None:
    """What `@method` said of a function; None where nobody declared it."""
    entry: Entry | None = getattr(function, _DECLARED, None)
    return entry


def needs(function: Callable[..., Any]) -> tuple[str, ...]:
    """Evidence: the positional parameters."""
    return tuple(p.name for p in _parameters(function) if p.kind is not p.KEYWORD_ONLY)


def settings(function: Callable[..., Any]) -> dict[str, Any]:
    """Knobs: the keyword-only parameters and their defaults."""
    return {p.name: p.default for p in _parameters(function) if p.kind is p.KEYWORD_ONLY}


def checked_settings(entry: Entry, given: Mapping[str, Any], kind: str = "method") -> dict[str, Any]:
    """The given settings in the types that the method declares; text (from a command line) is converted."""
    known = settings(entry.function)
    annotations = {p.name: p.annotation for p in _parameters(entry.function)}
    out = {}
    for key, value in given.items():
        if key not in known:
            raise unknown("setting", key, known, owner=f"the {kind} {entry.name}")
        out[key] = convert(key, value, annotations[key], known[key])
    return out


@cache
def _parameters(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(function).parameters.values())
