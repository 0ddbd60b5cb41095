"""Which layer to look at when nobody names one: the last whose map still carries gradient."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from math import prod

import torch
from torch import nn

from ...engine.forward.inputs import Inputs
from ...engine.forward.layer_outputs import Found
from ...engine.passes.scene import Options, Scene
from ...engine.state.in_place import WrittenOver, again_if_written
from ...targets import Anything, Logit, Target, are_detections, detections, scores_in, settle_each
from ...words.errors import EvidenceMissing, LayoutUnclear
from ...words.trees import Tree, close, main_tensor
from .layouts import Reading, Tokens
from .spaces import layout_of, space_of

_TRIED_AT_ONCE = 40


def recommend(model: nn.Module, inputs: Inputs, reading: Reading, found: list[Found], outputs: Tree) -> str | None:
    """The layer to look at among those that were found, if there is one."""
    candidates = list(_candidates(found, inputs, reading, outputs))
    if not candidates:  # then places of the head itself, which are the classes' own
        candidates = list(_candidates([replace(f, head=False) for f in found], inputs, reading, outputs))
    if not candidates or misread(found, inputs, reading) is not None:
        return None
    tokens = isinstance(layout_of(candidates[0], inputs, reading), Tokens)
    if not tokens and candidates[0].bare:
        return candidates[0].name
    for start in range(0, len(candidates), _TRIED_AT_ONCE):
        names = [_last_call(found) for found in candidates[start : start + _TRIED_AT_ONCE]]
        reached = again_if_written(model, partial(_last_reached, model, inputs, reading, names))
        if reached is not None:
            return reached.partition("@")[0]
    return None if tokens else candidates[0].name


def misread(found: list[Found], inputs: Inputs, reading: Reading) -> LayoutUnclear | None:
    """Why the tokens of most layers cannot be read as it is declared: what is left is the embedding before them."""
    sequences = [f for f in found if f.trained and len(f.shape) == 3 and inputs.batch in f.shape[:2]]
    if not sequences or (reading.prefix_tokens is None and reading.grid is None):
        return None
    (usual, _), *_ = Counter(f.shape for f in sequences).most_common()
    one = next(f for f in sequences if f.shape == usual)
    try:
        reading.layout(one.name, one.shape, inputs.batch, inputs.size, one.known)
    except LayoutUnclear as error:
        said = f"prefix_tokens={reading.prefix_tokens}, grid={reading.grid}"
        return LayoutUnclear(f"{error.got}; declared are {said}", error.expected, error.do)
    return None


def _last_call(found: Found) -> str:
    return found.name if found.calls == 1 else f"{found.name}@{found.calls - 1}"


def _candidates(found: list[Found], inputs: Inputs, reading: Reading, outputs: Tree) -> Iterator[Found]:
    """Trained layers with a space, the last first; not the head itself, nor single parts of an attention or MLP."""
    classes = class_count(outputs, inputs) if reading.head else -1
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
        if layout is None or layer.head or layout.to_stack(said).shape[1] == classes:
            continue
        declared, space = reading.grid is not None and isinstance(layout, Tokens), space_of(layer, inputs, reading)
        if len(space) < min(2, len(inputs.size)):
            continue  # steps of a picture or a clip
        if declared or _alike(space, inputs.size):
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


def class_count(outputs: Tree, inputs: Inputs) -> int:
    """Of outputs that are class scores place by place; -1 of others."""
    logits = scores_in(outputs)
    return logits.shape[1] if logits is not None and logits.ndim == 2 + len(inputs.size) else -1


def _last_reached(model: nn.Module, inputs: Inputs, reading: Reading, names: list[str]) -> str | None:
    """The first of these layers (the last in the network) whose places have a gradient."""
    scene = Scene(model, inputs, names, reading.reader(model), torch.zeros(1), Options())
    asked: dict[int, Target] = {1: Logit(), 2: Logit(), 3: Anything()}
    scores = scores_in(scene.outputs)
    usual = Anything() if scores is None else asked.get(scores.ndim, _everywhere)
    usual = _all_detections if are_detections(scene.outputs) else usual
    targets = settle_each([usual] * inputs.batch, scene.outputs)
    try:
        gradients = scene.under(targets).reached()
    except WrittenOver:
        raise
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
        scene = Scene(
            model, inputs, [name], reading.reader(model), torch.zeros(1), Options(False, tails=frozenset({name}))
        )
        said, layout = scene.said[name], scene.layout(name)
        silent = layout.from_stack(torch.zeros_like(layout.to_stack(said)), said)
        if not close(scene.tail(name)(silent, 0), scene.outputs, tolerance=1e-2):  # more than what int8 rounds
            return name
    return None


def _all_detections(outputs: Tree) -> torch.Tensor:
    return torch.stack([found["scores"].sum() for found in detections(outputs)])


def _everywhere(outputs: Tree) -> torch.Tensor:
    """A score of a network that answers place by place, also where it finds nothing."""
    return main_tensor(outputs).flatten(1).mean(1)
