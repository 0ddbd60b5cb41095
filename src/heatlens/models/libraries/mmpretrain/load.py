"""MMPretrain: a model of its zoo, a config file, or a classifier that is already built."""

import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from ....targets import Classes, Meaning
from ....words.errors import BadValue, HeatlensError, ModelUnavailable
from ....words.optional import require
from ...files.building import bounded, check_parameters, first_line, unavailable
from ...files.checkpoints import fill
from ...reading.layouts import Reading
from ...subject.library import Library
from ...subject.plain import patch_stride
from ...subject.subject import Subject
from ..imagenet import imagenet_classes
from .checkpoint_names import adapted, prefixed, with_head
from .configs import declared_classes, read_config
from .configs import names as names
from .pipelines import shown_by
from .runner_files import read_runner_file

_HASH = re.compile(r"-([0-9a-f]{8,64})$")
"""What ends the name of a published file: the beginning of its checksum."""


def mmpretrain(
    name: str,
    weights: Any = None,
    config: Any = None,
    cfg_options: Mapping[str, Any] | None = None,
    trust: bool = False,
    **arguments: Any,
) -> Subject:
    """name: of the zoo, or a config file; `config`, if given, is the file, and the name only a name.

    cfg_options: {"model.head.num_classes": 3, …} instead of what the config says; arguments: of its `model`.
    weights: None (the zoo's), a file (also one that a Runner wrote), or "none" (random).
    trust: run a config file that is a program, and import what it names; else it is only read.
    """
    called = f"mmpretrain/{name}".rstrip("/")
    said, published = read_config(name, config, trust=trust)
    given = {**(cfg_options or {}), **({"model": arguments} if arguments else {})}
    if published is None:  # a file, which can say anything
        _rehearse(said.copy(), given, called)
    model = _built(said, given, called)
    if weights == "none":
        return from_module(model, called)
    return filled(from_module(model, called), _file(weights or published or said.get("load_from"), called))


def filled(subject: Subject, weights: str | Path) -> Subject:
    """The subject of a classifier with a checkpoint's weights in it, and its class names if it has any."""
    state, classes = read_runner_file(weights)
    model, name = subject.model, Path(weights).name
    whole, remarks = with_head(model, adapted(model, prefixed(model, state)), name)
    fill(model, whole, name)
    found, unfit = (_classes(model, classes), _unfit(model, classes, name)) if classes else (subject.classes, ())
    return replace(subject, classes=found, remarks=(*subject.remarks, *remarks, *unfit))


def made_here(model: nn.Module) -> bool:
    """Whether a module is one of MMPretrain's classifiers, or derived from one."""
    return any(kind.__module__.startswith("mmpretrain.models.classifiers") for kind in type(model).__mro__)


def from_module(model: nn.Module, name: str = "") -> Subject:
    """A subject of an MMPretrain classifier, by what it and its config declare."""
    config: Any = getattr(model, "_config", None)
    shown = shown_by(model, config)
    backbone = getattr(model, "backbone", None)
    declared, own = declared_classes(config) if config is not None else ((), False)
    return Subject(
        name or f"mmpretrain/{type(backbone or model).__name__}",
        model,
        shown.preprocessing,
        _classes(model, declared or tuple((getattr(model, "_dataset_meta", None) or {}).get("classes") or ())),
        Reading(getattr(backbone, "num_extra_tokens", None), patch=patch_stride(model), outputs=_meaning(model)),
        assumed=shown.assumed,
        remarks=(*shown.remarks, *(_unfit(model, declared, "its config") if own else ())),
        any_size=shown.any_size,
    )


def _meaning(model: nn.Module) -> Meaning:
    """Labels of which any may be true, under a head for several."""
    several = any("MultiLabel" in kind.__name__ for kind in type(getattr(model, "head", None)).__mro__)
    return Meaning(scores="multilabel" if several else None)


def _built(config: Any, given: dict[str, Any], called: str) -> nn.Module:
    """The classifier in eval mode, holding its config as MMPretrain's own `get_model` leaves it."""
    if "model" not in config:
        raise BadValue(f"the config of {called} has no model", "a config of MMPretrain")
    try:
        with bounded(called):
            model = _build(config, given)
    except HeatlensError:
        raise
    except Exception as error:  # whatever a network's constructor raises
        told = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise BadValue(
            f"{called} cannot be built{f' with {told}' if told else ''}: {_reason(error)}",
            "a classifier whose parts and arguments MMPretrain has",
        ) from error
    if not made_here(model):
        raise BadValue(f"{called} is a {type(model).__name__}, which knows no classes", "a classifier")
    made: Any = model
    made._config, made._dataset_meta = config, {"classes": declared_classes(config)[0]}
    return model.eval()


def _rehearse(config: Any, given: dict[str, Any], called: str) -> None:
    """Raise `ModelUnavailable` for a network of more numbers than the limit, before any of them is made."""
    with suppress(Exception), bounded(called, rehearsed=True) as counted:
        _build(config, given)
    check_parameters(counted.made, called)


def _build(config: Any, given: dict[str, Any]) -> nn.Module:
    models = require("mmpretrain.registry").MODELS
    scope = require("mmengine.registry").DefaultScope
    config.merge_from_dict(given)
    model = dict(config.model)
    shown = dict(model.get("data_preprocessor") or config.get("data_preprocessor") or {})
    for part, training in ((model, "train_cfg"), (shown, "batch_augments")):
        if training in part:  # batch augmentations are for training, and are announced
            part[training] = None
    model["data_preprocessor"] = shown
    with scope.overwrite_default_scope("mmpretrain"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its own configs say in an old way
        made: nn.Module = models.build(model)
    return made


def _reason(error: BaseException) -> str:
    """What a registry says, without its advice about imports and locations."""
    said = first_line(error)
    return (said.strip("'\"") if isinstance(error, KeyError) else said).partition(" Please check")[0].rstrip(".")


def _classes(model: nn.Module, declared: tuple[str, ...]) -> Classes:
    """The names where there are as many as outputs; ImageNet's with their synonyms."""
    if len(declared) != _outputs(model, len(declared)):
        return Classes()
    imagenet = len(declared) == 1000 and declared[0].startswith("tench") and declared[-1].startswith("toilet")
    return imagenet_classes() if imagenet else Classes(tuple(map(str, declared)))


def _outputs(model: nn.Module, otherwise: int) -> int:
    found = getattr(getattr(model, "head", None), "num_classes", None)
    return found if isinstance(found, int) else otherwise


def _unfit(model: nn.Module, declared: tuple[str, ...], where: str) -> tuple[str, ...]:
    """That names were said, and are not the network's."""
    outputs = _outputs(model, len(declared))
    if len(declared) == outputs:
        return ()
    return (f"{where} names {len(declared)} classes and the network has {outputs}: the names are not used",)


def _file(weights: Any, called: str) -> Path:
    """The file itself, or the zoo's in torch's cache, downloaded if it is not there."""
    if not weights:
        raise ModelUnavailable(
            f"nobody has published weights for {called}", "weights=FILE", 'or weights="none" for random weights'
        )
    if not str(weights).startswith(("http://", "https://")):
        return Path(weights)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(str(weights)).path).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        checksum = _HASH.search(file.stem)
        try:
            torch.hub.download_url_to_file(str(weights), str(file), checksum and checksum[1], progress=False)
        except (OSError, RuntimeError) as error:  # no network; not the bytes that were announced
            raise unavailable(called, error) from None
    return file


def _wrapped(model: Any) -> Subject | None:
    return from_module(model) if made_here(model) else None


MMPRETRAIN = Library("mmpretrain", mmpretrain, names, _wrapped, fill=filled)
