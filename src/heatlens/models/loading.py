"""Whatever a person holds -> a Subject."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from torch import nn

from ..words.errors import BadValue, HeatlensError, ModelUnavailable, UnknownName, unknown
from ..words.extensions import all_loaded, extensions, loaded
from ..words.listing import by_name, of_kind
from . import whole_networks
from .bundled.load import BUNDLED as BUNDLED
from .files.building import first_line
from .files.caffe.load import CAFFE as CAFFE
from .files.checkpoints import filled
from .files.class_files import read_class_file
from .files.quantised import with_what_it_lacks
from .libraries.jittor import JITTOR as JITTOR
from .libraries.keras import KERAS as KERAS
from .libraries.mmpretrain.load import MMPRETRAIN as MMPRETRAIN
from .libraries.timm import TIMM as TIMM
from .libraries.torchvision import TORCHVISION as TORCHVISION
from .libraries.transformers import TRANSFORMERS as TRANSFORMERS
from .subject.class_names import check_at_once
from .subject.grey import in_grey
from .subject.library import Library
from .subject.overrides import OVERRIDES, is_override
from .subject.plain import plain, unwrapped
from .subject.subject import Subject

_FILES = (".safetensors", ".pt", ".pth", ".tar", ".bin", ".ckpt")
"""How files of weights end."""
LIBRARIES = by_name(of_kind(globals(), Library))
"""Every library that ships, by its name."""
_IN_ORDER = (TORCHVISION, TIMM)
"""Where a bare name is looked for, one after the other."""


def load(
    model: "str | nn.Module | Subject", weights: Any = None, *, device: Any = None, trust: bool = False, **options: Any
) -> Subject:
    """A model by name or as it is -> a `Subject` that can be explained.

    model: `"bundled"` (ships with heatlens), `"torchvision/NAME"`, `"timm/NAME"`, a bare name of either,
    `"transformers/NAME"` (of the hub, or a folder),
    `"mmpretrain/NAME"` (config=FILE, cfg_options={…}), `"caffe/deploy.prototxt"`, a `.onnx`, `.pt2`
    or `.torchscript` file, any module, a program of torch.export, a Keras model (torch backend) or a Jittor module.
    weights: a file (safetensors, or torch loaded safely), torchvision's enum names, "none" for random; None: the
    library's own.
    device: where the model goes, such as "cuda:1"; None: it stays where it is.
    trust: False, or True, which runs an MMPretrain config that is a program; without it nothing in a file is ever run.
    options: mean, std, size, resize, interpolation, classes, prefix_tokens, grid, layers, … override what the library
    declares; all others go to the model's constructor (`pad_type="same"`).  classes: names, or a file of them, one per
    output, as many as a network for weights of your own is built with.

    Costs what the library takes to build the model; a module that is brought is neither copied nor changed.
    Raises `UnknownName`, `ModelUnavailable`, `MissingExtra`, `BadValue`.
    """
    overrides = {key: options.pop(key) for key in OVERRIDES if key in options and is_override(key, options[key])}
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
    named = isinstance(model, str) and _counts_classes(model)
    own = weights == "none" or (isinstance(weights, str | os.PathLike) and Path(weights).suffix in _FILES)
    if not named or not own or classes is None or isinstance(classes, Mapping) or "num_classes" in options:
        return _subject(model, weights, options)
    try:
        return _subject(model, weights, {**options, "num_classes": len(classes)})
    except ModelUnavailable as error:
        try:
            return _subject(model, weights, options)  # a file that fits says how many classes there are
        except ModelUnavailable:
            raise error from None


def _counts_classes(name: str) -> bool:
    """Whether the model of that name is built with `num_classes`."""
    if name == BUNDLED.name or whole_networks.is_file(name):
        return False
    library = LIBRARIES.get(name.partition("/")[0])
    return library is None or library.bare


def subject_of(model: "str | nn.Module | Subject") -> Subject:
    """The subject itself, or the one that `load` makes."""
    return model if isinstance(model, Subject) else load(model)


def names_by_library(library: str = "") -> dict[str, Callable[[], list[str]]]:
    """The names that `load` understands, by library; of one library if it is named."""
    known = {one.name: one.names for one in _libraries() if one.names is not None}
    if library and library not in known:
        raise unknown("library", library, known)
    return {library: known[library]} if library else known


def _libraries() -> Iterator[Library]:
    """Those that ship, then those that other packages add."""
    yield from LIBRARIES.values()
    for point, found in all_loaded(extensions("heatlens.models", LIBRARIES)):
        yield _as_library(point, found)


def _library(name: str) -> Library | None:
    points = extensions("heatlens.models", LIBRARIES)
    return _as_library(points[name], loaded(points[name])) if name in points else LIBRARIES.get(name)


def _as_library(point: EntryPoint, found: Any) -> Library:
    """A library of another package: a `Library`, or what makes the model of a name."""
    if isinstance(found, Library):
        return replace(found, name=point.name)
    if not callable(found):
        raise BadValue(f"{point.name!r} of {point.value} is a {type(found).__name__}", "a Library, or a function")
    return Library(point.name, found)


def _subject(model: Any, weights: Any, options: dict[str, Any]) -> Subject:
    if isinstance(model, str):
        subject = _named(model, weights, options)
        subject.model.eval()  # made here, so no one's training is disturbed
        return subject
    inner = unwrapped(model) if isinstance(model, nn.Module) else model
    for library in () if isinstance(model, Subject) else _libraries():
        if options.keys() <= library.accepts and (made := library.wrap(inner, **options)) is not None:
            return with_what_it_lacks(made) if weights in (None, "none") else library.fill(made, weights)
    if options:
        raise BadValue(f"{', '.join(options)} for a model that is already built", "arguments only with a model's name")
    if (program := whole_networks.from_object(model)) is not None:
        return program
    if not isinstance(model, nn.Module | Subject):
        raise BadValue(f"a model of type {type(model).__name__}", "a name, a torch.nn.Module or a Subject")
    subject = model if isinstance(model, Subject) else with_what_it_lacks(plain(inner))
    return subject if weights in (None, "none") else _filler(subject)(subject, weights)


def _filler(subject: Subject) -> Callable[[Subject, Any], Subject]:
    """How weights come into a subject's model: as its library has it, where it is one's."""
    its = (library.fill for library in _libraries() if library.wrap(subject.model) is not None)
    return next(its, filled)


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
    if name == BUNDLED.name:
        return _made(BUNDLED, name, weights, options)
    library, slash, rest = name.partition("/")
    its = _library(library)
    if its is not None and its is not BUNDLED and its.load is not None and (slash or its is MMPRETRAIN):
        return _made(its, rest, weights, options)
    if name.endswith(".prototxt"):
        return _made(CAFFE, name, weights, options)
    if whole_networks.is_file(name):
        return whole_networks.from_file(name, weights, **options)
    if name.startswith("hf_hub:"):
        return _made(TIMM, name, weights, options)
    for bare in _IN_ORDER:
        if bare.names is not None and name.partition(".")[0] in bare.names():
            return _made(bare, name, weights, options)
    raise UnknownName(
        f"no model is called {name!r}",
        'names look like "torchvision/resnet50" or "timm/vit_tiny_patch16_224"',
        "all names: heatlens models",
    )


def _made(library: Library, name: str, weights: Any, options: dict[str, Any]) -> Subject:
    """The model of that name, as a subject."""
    if library.load is None:
        raise UnknownName(f"{library.name} has no models by name", "a model that was made with it")
    made = library.load(name, weights, **options)
    return made if isinstance(made, Subject) else replace(plain(made), name=f"{library.name}/{name}")
