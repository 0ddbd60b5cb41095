"""Every layer of a model, and which one to look at: the last whose map still carries gradient."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from ..engine.evaluating import evaluating
from ..engine.inputs import Inputs
from ..engine.scene import Options, Scene
from ..engine.survey import Found, survey
from ..errors import EvidenceMissing, LayoutUnclear
from ..targets import Anything, Logit, Target, scores_in, settle
from ..trees import Tree, close, main_tensor, rows
from .layouts import Reading, Tokens

_TRIED_AT_ONCE = 40


@dataclass(frozen=True)
class Layer:
    """One row of `heatlens layers`."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """What it returned."""
    space: tuple[int, ...]
    """The places of its map; empty where there is none."""
    recommended: bool
    number: int | None = None
    """Its place among the layers that have a map, by which it can be named; None where there is none."""


def list_layers(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading, declared: Sequence[str] = ()
) -> list[Layer]:
    """Every layer that a forward pass goes through, in the order in which they finish; recommended are the declared."""
    inputs = Inputs(args, kwargs, reading.outputs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
        best = declared or (recommend(model, inputs, reading, found, outputs),)
    count = iter(range(len(found)))
    spaces = [space_of(f, inputs, reading) for f in found]
    return [
        Layer(f.name, f.kind, f.shape, space, f.name in best, next(count) if prod(space) > 1 else None)
        for f, space in zip(found, spaces, strict=True)
    ]


def numbered_layers(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> list[str]:
    """The layers that have a map, in the order of the pass: what a layer's number counts."""
    inputs = Inputs(args, kwargs, reading.outputs)
    with evaluating(model):
        found, _ = survey(model, inputs)
    return [f.name for f in found if prod(space_of(f, inputs, reading)) > 1]


def recommended_layer(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> str:
    """The layer that is explained when nobody names one; `LayoutUnclear` where no layer has a space."""
    inputs = Inputs(args, kwargs, reading.outputs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
        best = recommend(model, inputs, reading, found, outputs)
    if best is None and (misread := _misread(found, inputs, reading)) is not None:
        raise misread
    if best is None and (zeros := _all_zero(model)):
        raise LayoutUnclear(
            f"the weights {zeros[-1]!r} of {type(model).__name__} are all zero, so its scores depend on no layer",
            "trained weights",
            "name them with weights=…, or a layer with layers=…",
        )
    if best is None:
        raise LayoutUnclear(
            f"{type(model).__name__} has no layer that still has a space and reaches the score",
            "a convolutional or patch-based network",
            "name one with layers=…; all of them: heatlens layers MODEL",
        )
    return best


def _all_zero(model: nn.Module) -> list[str]:
    """Matrices of zeros: what some libraries begin the head of an untrained network with."""
    named = model.named_parameters()
    return [name for name, p in named if name.endswith("weight") and p.ndim > 1 and not bool(p.any())]


def recommend(model: nn.Module, inputs: Inputs, reading: Reading, found: list[Found], outputs: Tree) -> str | None:
    """The layer to look at among those that were found, if there is one."""
    candidates = list(_candidates(found, inputs, reading, outputs))
    if not candidates or _misread(found, inputs, reading) is not None:
        return None
    tokens = isinstance(layout_of(candidates[0], inputs, reading), Tokens)
    if not tokens and candidates[0].bare:
        return candidates[0].name
    for start in range(0, len(candidates), _TRIED_AT_ONCE):
        names = [found.name for found in candidates[start : start + _TRIED_AT_ONCE]]
        if (reached := _last_reached(model, inputs, reading, names)) is not None:
            return reached
    return None if tokens else candidates[0].name


def _misread(found: list[Found], inputs: Inputs, reading: Reading) -> LayoutUnclear | None:
    """Why the tokens of most layers cannot be read as it is declared: what is left is the embedding before them."""
    sequences = [f for f in found if f.trained and len(f.shape) == 3 and inputs.batch in f.shape[:2]]
    if not sequences or (reading.prefix_tokens is None and reading.grid is None):
        return None
    (usual, _), *_ = Counter(f.shape for f in sequences).most_common()
    one = next(f for f in sequences if f.shape == usual)
    try:
        reading.layout(one.name, one.shape, inputs.batch, tuple(inputs.images.shape[2:]))
    except LayoutUnclear as error:
        said = f"prefix_tokens={reading.prefix_tokens}, grid={reading.grid}"
        return LayoutUnclear(f"{error.got}; declared are {said}", error.expected, error.do)
    return None


def _candidates(found: list[Found], inputs: Inputs, reading: Reading, outputs: Tree) -> Iterator[Found]:
    """Trained layers with a space, the last first; not the head itself, nor single parts of an attention or MLP."""
    classes = class_count(outputs) if reading.head else -1
    sequences = {f.name: f.shape[1] for f in found if isinstance(layout_of(f, inputs, reading), Tokens)}
    for layer in reversed(found):
        if not layer.trained or prod(space_of(layer, inputs, reading)) < 2:
            continue
        if len(layer.shape) == 4 and not {*sequences.values()}.isdisjoint(space_of(layer, inputs, reading)):
            continue  # heads x tokens x tokens: what attends to what is no picture
        layout = layout_of(layer, inputs, reading)
        if layer.leaf and not layer.norm and (isinstance(layout, Tokens) or _within(layer.name, sequences)):
            continue
        said = torch.empty(layer.shape, device="meta")
        if layout is None or layout.to_stack(said).shape[1] == classes:
            continue
        declared = reading.grid is not None and isinstance(layout, Tokens)
        if declared or _alike(space_of(layer, inputs, reading), tuple(inputs.images.shape[2:])):
            yield layer


def _within(name: str, others: Collection[str]) -> bool:
    """Whether a layer is a part, of any depth, of one of these."""
    parts = name.split(".")
    return any(".".join(parts[:depth]) in others for depth in range(1, len(parts)))


def _alike(space: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether a space can be the picture's: heads x tokens, of four dimensions too, have other proportions."""
    if len(space) < 2 or min(space[-2:]) < 3:
        return True
    return 0.5 <= space[-2] * size[-1] / (space[-1] * size[-2]) <= 2


def class_count(outputs: Tree) -> int:
    """Of outputs that are class scores; -1 of others."""
    logits = scores_in(outputs)
    return logits.shape[1] if logits is not None and logits.ndim > 1 else -1


def _last_reached(model: nn.Module, inputs: Inputs, reading: Reading, names: list[str]) -> str | None:
    """The first of these layers (the last in the network) whose places have a gradient."""
    scene = Scene(model, inputs, names, reading.of, torch.zeros(1), Options())
    asked: dict[int, Target] = {1: Logit(), 2: Logit(), 3: Anything()}
    scores = scores_in(scene.outputs)
    usual = Anything() if scores is None else asked.get(scores.ndim, _everywhere)
    targets = [settle(usual, rows(scene.outputs, inputs.batch, i, 1)) for i in range(inputs.batch)]
    try:
        gradients = scene.under(targets).reached()
    except EvidenceMissing:
        gradients = {}
    if not gradients:
        return _last_felt(model, inputs.of(0, 1), reading, names)
    for name in names:
        gradient = gradients.get(name)
        if gradient is not None and bool(scene.layout(name).to_stack(gradient).any()):
            return name
    return None


def _last_felt(model: nn.Module, inputs: Inputs, reading: Reading, names: list[str]) -> str | None:
    """The same where there are no gradients: the first of these layers whose places, silenced, change the outputs."""
    for name in names:
        scene = Scene(model, inputs, [name], reading.of, torch.zeros(1), Options(False, tails=frozenset({name})))
        said, layout = scene.said[name], scene.layout(name)
        silent = layout.from_stack(torch.zeros_like(layout.to_stack(said)), said)
        if not close(scene.tail(name)(silent, 0), scene.outputs, tolerance=1e-2):  # more than what int8 rounds
            return name
    return None


def _everywhere(outputs: Tree) -> torch.Tensor:
    """A score of a network that answers place by place, also where it finds nothing."""
    return main_tensor(outputs).flatten(1).mean(1)


def layout_of(found: Found, inputs: Inputs, reading: Reading) -> Any:
    """How its output is read; None where it cannot be."""
    try:
        return reading.layout(found.name, found.shape, inputs.batch, tuple(inputs.images.shape[2:]))
    except LayoutUnclear:
        return None


def space_of(found: Found, inputs: Inputs, reading: Reading) -> tuple[int, ...]:
    """The places of its map; empty where there is none."""
    layout = layout_of(found, inputs, reading)
    try:
        return () if layout is None else tuple(layout.to_stack(torch.empty(found.shape, device="meta")).shape[2:])
    except RuntimeError:  # declared tokens that are not there
        return ()
