"""Every layer of a model, and which one to look at: the last whose map still carries gradient."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from ..engine.evaluating import evaluating
from ..engine.inputs import Inputs
from ..engine.scene import Options, Scene
from ..engine.survey import Found, survey
from ..errors import BadValue, EvidenceMissing, LayoutUnclear
from ..targets import Logit, Region, Target, logits_of, named_tensor, settle
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


def list_layers(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading, declared: Sequence[str] = ()
) -> list[Layer]:
    """Every layer that a forward pass goes through, in the order in which they finish; recommended are the declared."""
    inputs = Inputs(args, kwargs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
        best = declared or (_recommended(model, inputs, reading, found, outputs),)
    return [Layer(f.name, f.kind, f.shape, _space(f, inputs, reading), f.name in best) for f in found]


def recommended_layer(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> str:
    """The layer that is explained when nobody names one; `LayoutUnclear` where no layer has a space."""
    inputs = Inputs(args, kwargs)
    with evaluating(model):
        best = _recommended(model, inputs, reading, *survey(model, inputs))
    if best is None:
        raise LayoutUnclear(
            f"{type(model).__name__} has no layer that still has a space and reaches the score",
            "a convolutional or patch-based network",
            "name one with layers=…; all of them: heatlens layers MODEL",
        )
    return best


def convolutions(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """Every convolution whose output still has a space, in the order of the pass; not one that is the head."""
    inputs = Inputs(args, kwargs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
    classes = _classes(outputs)
    return tuple(
        layer.name
        for layer in found
        if layer.kind.startswith("Conv") and prod(_space(layer, inputs, reading)) > 1 and layer.shape[1] != classes
    )


def stages(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """The last layer of every resolution, shallow to deep; the deepest is the recommended one."""
    inputs = Inputs(args, kwargs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
        deepest = _recommended(model, inputs, reading, found, outputs)
    last: dict[tuple[int, ...], str] = {}
    for layer in found[: 1 + next((i for i, f in enumerate(found) if f.name == deepest), -1)]:
        space = _space(layer, inputs, reading)
        if prod(space) > 1:
            last[space] = layer.name
    return tuple(last[space] for space in sorted(last, key=prod, reverse=True))


def blocks(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reading: Reading) -> tuple[str, ...]:
    """What the stages before the deepest one end with, shallow to deep: of their layers the least nested, the last."""
    inputs = Inputs(args, kwargs)
    with evaluating(model):
        found, outputs = survey(model, inputs)
        deepest = _recommended(model, inputs, reading, found, outputs)
    end = next((i for i, layer in enumerate(found) if layer.name == deepest), 0)
    last: dict[tuple[int, ...], str] = {}
    for layer in found[:end]:
        space, alike = _space(layer, inputs, reading), _kind(layer, inputs, reading) is _kind(found[end], inputs, reading)
        nested = layer.name.count(".")
        if alike and prod(space) > prod(_space(found[end], inputs, reading)):
            last[space] = layer.name if nested <= last.get(space, layer.name).count(".") else last[space]
    return tuple(last[space] for space in sorted(last, key=prod, reverse=True))


def _kind(layer: Found, inputs: Inputs, reading: Reading) -> type:
    return type(_layout(layer, inputs, reading))


def is_stage(name: str) -> bool:
    """Whether a layer is named by its stage: "stage:-1" is the deepest, "stage:-2" the one before it."""
    return name.startswith("stage:")


def stage_layer(name: str, known: tuple[str, ...]) -> str:
    """The layer that a stage ends with; of a network with fewer stages its nearest one."""
    if not is_stage(name):
        return name
    try:
        place = int(name.removeprefix("stage:"))
    except ValueError:
        raise BadValue(f"the layer {name!r}", 'a stage by number, such as "stage:-2"') from None
    return known[max(-len(known), min(place, len(known) - 1))]


def _recommended(model: nn.Module, inputs: Inputs, reading: Reading, found: list[Found], outputs: Tree) -> str | None:
    candidates = list(_candidates(found, inputs, reading, outputs))
    if not candidates:
        return None
    tokens = isinstance(_layout(candidates[0], inputs, reading), Tokens)
    if not tokens and candidates[0].bare:
        return candidates[0].name
    for start in range(0, len(candidates), _TRIED_AT_ONCE):
        names = [found.name for found in candidates[start : start + _TRIED_AT_ONCE]]
        if (reached := _last_reached(model, inputs, reading, names)) is not None:
            return reached
    return None if tokens else candidates[0].name


def _candidates(found: list[Found], inputs: Inputs, reading: Reading, outputs: Tree) -> Iterator[Found]:
    """Trained layers with a space, the last first; not the head itself, nor single parts of an attention or MLP."""
    classes = _classes(outputs) if reading.head else -1
    for layer in reversed(found):
        if not layer.trained or prod(_space(layer, inputs, reading)) < 2:
            continue
        tokens = isinstance(layout := _layout(layer, inputs, reading), Tokens)
        if tokens and layer.leaf and not layer.norm:
            continue
        said = torch.empty(layer.shape, device="meta")
        if layout is None or layout.to_stack(said).shape[1] == classes:
            continue
        if _alike(_space(layer, inputs, reading), tuple(inputs.images.shape[2:])):
            yield layer


def _alike(space: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether a space can be the picture's: heads x tokens, of four dimensions too, have other proportions."""
    if len(space) < 2 or min(space[-2:]) < 3:
        return True
    return 0.5 <= space[-2] * size[-1] / (space[-1] * size[-2]) <= 2


def _classes(outputs: Tree) -> int:
    logits = logits_of(outputs)
    return logits.shape[1] if logits.ndim > 1 else -1


def _last_reached(model: nn.Module, inputs: Inputs, reading: Reading, names: list[str]) -> str | None:
    """The first of these layers (the last in the network) whose places have a gradient."""
    scene = Scene(model, inputs, names, reading.of, torch.zeros(1), Options())
    asked: dict[int, Target] = {1: Logit(), 2: Logit(), 3: _pooled}
    usual = asked.get(logits_of(scene.outputs).ndim, Region())
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


def _pooled(outputs: Tree) -> torch.Tensor:
    """A score of outputs that are tokens: one number of what is pooled of them, where something is.

    Not their sum: that of a normalised layer is constant.
    """
    pooled = named_tensor(outputs, "pooler_output")
    return (main_tensor(outputs) if pooled is None else pooled).flatten(1)[:, 0]


def _layout(found: Found, inputs: Inputs, reading: Reading) -> Any:
    try:
        return reading.layout(found.name, found.shape, inputs.batch, tuple(inputs.images.shape[2:]))
    except LayoutUnclear:
        return None


def _space(found: Found, inputs: Inputs, reading: Reading) -> tuple[int, ...]:
    layout = _layout(found, inputs, reading)
    try:
        return () if layout is None else tuple(layout.to_stack(torch.empty(found.shape, device="meta")).shape[2:])
    except RuntimeError:  # declared tokens that are not there
        return ()
