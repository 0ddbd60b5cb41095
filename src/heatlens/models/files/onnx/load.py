"""ONNX files: through onnx2torch with gradients, checked against ONNX Runtime; else ONNX Runtime, without them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ....engine.forward.batching import one_at_a_time
from ....engine.forward.inputs import Inputs
from ....engine.runtimes.onnx_sessions import Sessions
from ....engine.runtimes.shell import Shell
from ....engine.state.evaluating import evaluating
from ....images import Preprocessing
from ....targets import Classes, Meaning, classes_of
from ....words.errors import BadValue, MissingExtra
from ....words.trees import Tree, close
from ...reading.layouts import Reading
from ...subject.channel_numbers import for_channels
from ...subject.lacking import LAYERS, Lacking
from ...subject.subject import Subject
from ..building import first_line
from .graph import before_activation, for_any_batch, input_shape, metadata, patch_of, read_graph
from .to_torch import converted

_RUNTIMES = ("torch", "onnxruntime")
_NO_GRADIENTS = Lacking(LAYERS, "an ONNX Runtime session has none")
_USUAL = 224


def onnx(path: str | Path, runtime: str | None = None) -> Subject:
    """The network of a `.onnx` file.

    runtime: "torch" (gradients, every method), "onnxruntime" (methods without gradients); None: torch where the
    conversion says what ONNX Runtime says, else ONNX Runtime.
    """
    if runtime not in (None, *_RUNTIMES):
        raise BadValue(f"runtime={runtime!r}", f"one of {', '.join(_RUNTIMES)}")
    name = Path(path).name
    graph = read_graph(path)
    ending = before_activation(graph)
    graph, alone = _freed(graph, name)
    model, trouble = _as_torch(graph, alone) if runtime != "onnxruntime" else (None, "")
    if model is None and runtime == "torch":
        raise BadValue(f"{name} cannot be run by torch: {trouble}", "a graph that onnx2torch converts", _WITHOUT)
    remarks = [f"the scores are what enters the final {ending}"] if ending else []
    remarks += [f"no gradients: {name} cannot be run by torch ({trouble})"] if trouble else []
    network = model or Shell(Sessions(graph))
    if alone:
        one_at_a_time(network)
    said = metadata(graph)
    size = tuple(side or _USUAL for side in input_shape(graph)[2:])
    declared = "mean" in said and "std" in said
    return Subject(
        name,
        network,
        _preprocessing(said, input_shape(graph)[1] or 3, size),
        _classes(said),
        Reading(patch=patch_of(graph), outputs=Meaning(scores="multilabel" if ending == "sigmoid" else None)),
        assumed=() if declared else (f"preprocessing: {'x'.join(map(str, size))}, ImageNet mean and std",),
        remarks=tuple(remarks),
        lacking=None if model is not None else _NO_GRADIENTS,
    )


_WITHOUT = 'runtime="onnxruntime" does without gradients'


def _freed(graph: Any, name: str) -> tuple[Any, bool]:
    """The graph for any number of images, and whether it has to stay one image at a time."""
    fixed = input_shape(graph)[0]
    if fixed is None:
        return graph, False
    free = for_any_batch(graph)
    noise = _noise(graph, 2 * fixed)
    one_by_one = _said(Sessions(graph), noise[:fixed]), _said(Sessions(graph), noise[fixed:])
    together = _said(Sessions(free), noise)
    if together is not None and all(
        close([t[i * fixed : (i + 1) * fixed] for t in together], one_by_one[i]) for i in (0, 1)
    ):
        return free, False
    if fixed > 1:
        raise BadValue(
            f"{name} takes exactly {fixed} images", "a free number of images", "Export it with a dynamic batch"
        )
    return graph, True


def _as_torch(graph: Any, alone: bool) -> tuple[nn.Module | None, str]:
    """The module, or why there is none."""
    noise = _noise(graph, 1 if alone else 2)
    try:
        model = converted(graph)
    except MissingExtra:
        return None, "onnx2torch is not installed"
    except Exception as error:  # a converter can stumble over a graph in any way
        return None, first_line(error)
    got = _tried(lambda: Inputs((noise,)).run(model), model)
    if isinstance(got, str):
        return None, got
    return (
        (model, "") if close(got, _said(Sessions(graph), noise)) else (None, "its outputs differ from ONNX Runtime's")
    )


def _tried(run: Callable[[], Tree], model: nn.Module) -> Any:
    """What comes out, or what went wrong."""
    try:
        with evaluating(model):
            return run()
    except Exception as error:  # see above
        return first_line(error)


def _said(sessions: Sessions, images: Tensor) -> list[Tensor] | None:
    try:
        return sessions.run(images, {}, ())[1]
    except RuntimeError:
        return None


def _noise(graph: Any, images: int) -> Tensor:
    _, channels, *size = input_shape(graph)
    shape = (images, channels or 3, *(side or _USUAL for side in size))
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    return noise.to(Sessions(graph).type)


def _preprocessing(said: dict[str, Any], channels: int, size: tuple[int, ...]) -> Preprocessing:
    usual = Preprocessing()
    if len(size) != 2 or channels not in (1, 3):
        return usual
    mean, std = (_per_channel(said.get(key, getattr(usual, key)), channels) for key in ("mean", "std"))
    return replace(usual, size=size, mean=mean, std=std, channels="L" if channels == 1 else "RGB")


def _per_channel(value: Any, channels: int) -> tuple[float, ...]:
    return for_channels(tuple(map(float, value)) if isinstance(value, list | tuple) else (float(value),), channels)


def _classes(said: dict[str, Any]) -> Classes:
    """From what exporters write: names, classes or labels, as a list or by index."""
    named = next((said[key] for key in ("names", "classes", "labels") if key in said), None)
    if isinstance(named, dict):
        named = [named[key] for key in sorted(named, key=int)]
    return classes_of([str(name) for name in named]) if isinstance(named, list | tuple) else Classes()
