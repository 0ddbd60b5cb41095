"""Whatever a person holds -> a Subject."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..words.errors import BadValue, HeatlensError, ModelUnavailable, UnknownName, unknown
from . import foreign as _foreign
from .bundled import load as _bundled
from .files import caffe as _caffe
from .files.building import first_line
from .files.checkpoints import load_state
from .files.class_files import read_class_file
from .files.quantised import with_what_it_lacks
from .libraries import timm as _timm
from .libraries import torchvision as _torchvision
from .libraries import transformers as _transformers
from .libraries.mmpretrain import load as _mmpretrain
from .libraries.torchvision_tasks import detector, is_detector
from .subject.class_names import check_at_once
from .subject.grey import in_grey
from .subject.overrides import OVERRIDES
from .subject.plain import plain, unwrapped
from .subject.subject import Subject

_FILES = (".safetensors", ".pt", ".pth", ".tar", ".bin", ".ckpt")
"""How files of weights end."""
_LIBRARIES: dict[str, Callable[[], list[str]]] = {
    "bundled": _bundled.names,
    "torchvision": _torchvision.names,
    "timm": _timm.names,
    "mmpretrain": _mmpretrain.names,
    "transformers": _transformers.names,
}

_NAMED: dict[str, Callable[..., Subject]] = {
    "torchvision": _torchvision.torchvision,
    "timm": _timm.timm,
    "mmpretrain": _mmpretrain.mmpretrain,
    "caffe": _caffe.caffe,
    "transformers": _transformers.transformers,
}
"""What makes the subject of `LIBRARY/NAME`."""


def load(
    model: "str | nn.Module | Subject", weights: Any = None, *, device: Any = None, trust: bool = False, **options: Any
) -> Subject:
    """A model by name or as it is -> a `Subject` that can be explained.

    model: `"bundled"` (ships with heatlens), `"torchvision/NAME"`, `"timm/NAME"`, a bare name of either,
    `"transformers/NAME"` (of the hub, or a folder),
    `"mmpretrain/NAME"` (config=FILE, cfg_options={…}), `"caffe/deploy.prototxt"`, a `.onnx`, `.pt2`
    or `.torchscript` file, any module, a program of torch.export, a Keras model (torch backend) or a Jittor module.
    weights: a file (safetensors, or torch loaded safely), torchvision's enum names, "none" for random; None: the
    library's own.  classes: names, or a file of them, one per output, as many as a network for weights of your own is
    built with.  Options named mean, std, size, resize, interpolation, classes, prefix_tokens, grid, layers, …
    override what the library declares; all others go to the model's constructor (`pad_type="same"`).
    trust: run an MMPretrain config that is a program; without it nothing in a file is ever run.
    Raises `UnknownName`, `ModelUnavailable`, `MissingExtra`.
    """
    overrides = {key: options.pop(key) for key in OVERRIDES if key in options}
    if trust and str(model).partition("/")[0] == "mmpretrain":
        options["trust"] = True
    if isinstance(named := overrides.get("classes"), str | os.PathLike):
        if not Path(named).expanduser().is_file():
            raise BadValue(f"classes={str(named)!r}: there is no such file", "a list of names, or a file of them")
        overrides["classes"] = read_class_file(named)
    subject = in_grey(_with_as_many(model, weights, options, overrides.get("classes")))
    if overrides:
        subject = subject.overridden(**overrides)
    subject = subject if device is None else subject.to(device)
    if overrides.get("classes") is not None and subject.reader is None:
        check_at_once(subject)
    return subject


def _with_as_many(model: Any, weights: Any, options: dict[str, Any], classes: Any) -> Subject:
    """The subject; a network that is built for weights of a person's own has an output for each name that they give."""
    named = isinstance(model, str) and model.partition("/")[0] not in _NAMED.keys() - {"torchvision", "timm"}
    own = weights == "none" or (isinstance(weights, str | os.PathLike) and Path(weights).suffix in _FILES)
    built = named and own and model not in _bundled.names() and not _foreign.is_file(model)
    if not built or classes is None or isinstance(classes, Mapping) or "num_classes" in options:
        return _subject(model, weights, options)
    try:
        return _subject(model, weights, {**options, "num_classes": len(classes)})
    except ModelUnavailable as error:
        try:
            return _subject(model, weights, options)  # a file that fits says how many classes there are
        except ModelUnavailable:
            raise error from None


def subject_of(model: "str | nn.Module | Subject") -> Subject:
    """The subject itself, or the one that `load` makes."""
    return model if isinstance(model, Subject) else load(model)


def names_by_library(library: str = "") -> dict[str, Callable[[], list[str]]]:
    """The names that `load` understands, by library; of one library if it is named."""
    if library and library not in _LIBRARIES:
        raise unknown("library", library, _LIBRARIES)
    return {library: _LIBRARIES[library]} if library else dict(_LIBRARIES)


def _subject(model: Any, weights: Any, options: dict[str, Any]) -> Subject:
    if isinstance(model, str):
        subject = _named(model, weights, options)
        subject.model.eval()  # made here, so no one's training is disturbed
        return subject
    inner = unwrapped(model) if isinstance(model, nn.Module) else None
    if _transformers.made_here(inner) and options.keys() <= {"processor"}:
        return _filled(_transformers.from_module(inner, **options), weights)
    if options:
        raise BadValue(f"{', '.join(options)} for a model that is already built", "arguments only with a model's name")
    if (elsewhere := _foreign.from_object(model)) is not None:
        return elsewhere
    if not isinstance(model, nn.Module | Subject):
        raise BadValue(f"a model of type {type(model).__name__}", "a name, a torch.nn.Module or a Subject")
    subject = model if isinstance(model, Subject) else with_what_it_lacks(_module(unwrapped(model)))
    return _filled(subject, weights)


def _filled(subject: Subject, weights: Any) -> Subject:
    """A built model with the weights of a file, where one is named."""
    if weights in (None, "none"):
        return subject
    if _mmpretrain.made_here(subject.model):
        return _mmpretrain.filled(subject, weights)
    load_state(subject.model, weights)
    return subject


def _module(model: nn.Module) -> Subject:
    if type(model).__module__.startswith("timm.") and getattr(model, "pretrained_cfg", None):
        return _timm.from_module(model)
    if _mmpretrain.made_here(model):
        return _mmpretrain.from_module(model)
    return detector(model) if is_detector(model) else plain(model)


def _named(name: str, weights: Any, options: dict[str, Any]) -> Subject:
    """What the name says; whatever a damaged file makes a library raise becomes one line about that file."""
    try:
        return _by_name(name, weights, options)
    except HeatlensError:
        raise
    except Exception as error:
        files = [x for x in (options.get("config"), weights, name) if isinstance(x, str | Path) and Path(x).is_file()]
        if not files:
            raise
        raise ModelUnavailable(
            f"{Path(files[0]).name} cannot be used: {first_line(error)}", "an undamaged file of this kind of model"
        ) from error


def _by_name(name: str, weights: Any, options: dict[str, Any]) -> Subject:
    if name in _bundled.names():
        return _bundled.bundled(name, weights, **options)
    library, slash, rest = name.partition("/")
    if library in _NAMED and (slash or library == "mmpretrain"):
        return _NAMED[library](rest, weights, **options)
    if name.endswith(".prototxt"):
        return _caffe.caffe(name, weights, **options)
    if _foreign.is_file(name):
        return _foreign.from_file(name, weights, **options)
    if name.startswith("hf_hub:"):
        return _timm.timm(name, weights, **options)
    return _bare(name, weights, options)


def _bare(name: str, weights: Any, options: dict[str, Any]) -> Subject:
    """torchvision first, then timm."""
    for library, build in ((_torchvision, _torchvision.torchvision), (_timm, _timm.timm)):
        if name.partition(".")[0] in library.names():
            return build(name, weights, **options)
    raise UnknownName(
        f"no model is called {name!r}",
        'names look like "torchvision/resnet50" or "timm/vit_tiny_patch16_224"',
        "all names: heatlens models",
    )
