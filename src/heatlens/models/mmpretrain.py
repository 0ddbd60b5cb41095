"""MMPretrain: a model of its zoo, a config file, or a classifier that is already built."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ..errors import BadValue, ModelUnavailable, unknown
from ..optional import require
from ..targets import Classes
from .building import built, first_line, unavailable
from .checkpoints import fill
from .imagenet import imagenet_classes
from .layouts import Reading
from .pipelines import preprocessing_of
from .plain import patch_stride
from .runner_files import read_runner_file
from .subject import Subject


def names() -> list[str]:
    """Every classifier of the model zoo."""
    return list(_library().list_models(task="Image Classification"))


def mmpretrain(
    name: str, weights: Any = None, config: Any = None, cfg_options: Mapping[str, Any] | None = None, **arguments: Any
) -> Subject:
    """name: of the zoo, or a config file; `config`, if given, is the file, and the name only a name.

    cfg_options: {"model.head.num_classes": 3, …} instead of what the config says; arguments: of its `model`.
    weights: None (the zoo's), a file (also one that a Runner wrote), or "none" (random).  A config file is Python, and
    reading it runs it.
    """
    library = _library()
    called = f"mmpretrain/{name}".rstrip("/")
    said, published = _config(library, name, config, called)
    given = {**(cfg_options or {}), **({"model": arguments} if arguments else {})}
    model = _built(said, given, called)
    if weights == "none":
        return from_module(model, called)
    return filled(from_module(model, called), _file(weights or published or said.get("load_from"), called))


def filled(subject: Subject, weights: str | Path) -> Subject:
    """The subject of a classifier with a checkpoint's weights in it, and its class names if it has any."""
    state, classes = read_runner_file(weights)
    fill(subject.model, _adapted(subject.model, state), Path(weights).name)
    return replace(subject, classes=_classes(subject.model, classes)) if classes else subject


def made_here(model: nn.Module) -> bool:
    """Whether a module is one of MMPretrain's classifiers, or derived from one."""
    return any(kind.__module__.startswith("mmpretrain.models.classifiers") for kind in type(model).__mro__)


def from_module(model: nn.Module, name: str = "") -> Subject:
    """A subject of an MMPretrain classifier, by what it and its config declare."""
    config: Any = getattr(model, "_config", None)
    preprocessing, assumed = preprocessing_of(model, config)
    backbone = getattr(model, "backbone", None)
    return Subject(
        name or f"mmpretrain/{type(backbone or model).__name__}",
        model,
        preprocessing,
        _classes(model),
        Reading(prefix_tokens=getattr(backbone, "num_extra_tokens", None), patch=patch_stride(model)),
        assumed=assumed,
    )


def _library() -> Any:
    """The package, its models registered, without the networks for images and text where those cannot be imported.

    MMPretrain 1.2 takes names from transformers that transformers 5 no longer has, and then fails as a whole.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that mmcv-lite has no compiled operators
        with _without_transformers_5():
            require("mmpretrain.models")
        return require("mmpretrain")


@contextmanager
def _without_transformers_5() -> Iterator[None]:
    dependency: Any = require("mmpretrain.utils.dependency")
    had = dependency.WITH_MULTIMODAL
    try:
        modern = int(metadata.version("transformers").partition(".")[0]) >= 5
    except metadata.PackageNotFoundError:
        modern = False
    dependency.WITH_MULTIMODAL = had and not modern
    try:
        yield
    finally:
        dependency.WITH_MULTIMODAL = had


def _config(library: Any, name: str, config: Any, called: str) -> tuple[Any, str | None]:
    """The config, and where its published weights are."""
    kind = require("mmengine.config").Config
    if isinstance(config, kind):
        return config.copy(), None
    if config is None and Path(name).suffix not in (".py", ".yaml", ".yml", ".json"):
        if name not in library.list_models():
            raise unknown("mmpretrain model", name, names(), "heatlens models mmpretrain")
        found = library.apis.ModelHub.get(name)
        return found.config, found.weights
    file = Path(config or name).expanduser()
    if not file.is_file():
        raise ModelUnavailable(f"no config file {str(file)!r}", "a config of MMPretrain (.py, .yaml, .json)")
    try:
        return kind.fromfile(file), None
    except Exception as error:  # a config is a program, and can fail as one
        raise BadValue(f"{file.name} cannot be read as a config: {first_line(error)}", "one of MMPretrain") from error


def _built(config: Any, given: dict[str, Any], called: str) -> nn.Module:
    """The classifier in eval mode, holding its config as MMPretrain's own `get_model` leaves it."""
    models = require("mmpretrain.registry").MODELS
    scope = require("mmengine.registry").DefaultScope

    def build() -> nn.Module:
        config.merge_from_dict(given)
        model = dict(config.model, train_cfg=None)  # batch augmentations are for training, and are announced
        shown = dict(model.get("data_preprocessor") or config.get("data_preprocessor") or {}, batch_augments=None)
        model["data_preprocessor"] = shown
        with scope.overwrite_default_scope("mmpretrain"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what its own configs say in an old way
            made: nn.Module = models.build(model)
        return made

    if "model" not in config:
        raise BadValue(f"the config of {called} has no model", "a config of MMPretrain")
    made: Any = built(build, called, given)
    made._config, made._dataset_meta = config, _dataset_meta(config)
    return made.eval()  # type: ignore[no-any-return]


def _dataset_meta(config: Any) -> dict[str, Any]:
    """What the dataset of the test declares, such as its classes."""
    kind = config.get("test_dataloader", {}).get("dataset", {}).get("type")
    require("mmpretrain.datasets")
    dataset = require("mmpretrain.registry").DATASETS.get(kind) if isinstance(kind, str) else kind
    return dict(getattr(dataset, "METAINFO", None) or {})


def _classes(model: nn.Module, named: tuple[str, ...] = ()) -> Classes:
    """The checkpoint's, else the dataset's where there are as many as outputs; ImageNet's with their synonyms."""
    declared = named or tuple((getattr(model, "_dataset_meta", None) or {}).get("classes") or ())
    outputs = getattr(getattr(model, "head", None), "num_classes", len(declared))
    if len(declared) != outputs:
        return Classes()
    imagenet = len(declared) == 1000 and declared[0].startswith("tench") and declared[-1].startswith("toilet")
    return imagenet_classes() if imagenet else Classes(tuple(map(str, declared)))


def _file(weights: Any, called: str) -> Path:
    """The file itself, or the zoo's in torch's cache, downloaded if it is not there."""
    if not weights:
        raise ModelUnavailable(
            f"nobody has published weights for {called}", "weights=FILE", 'or weights="none" for random weights'
        )
    if not str(weights).startswith("http"):
        return Path(weights)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(str(weights)).path).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(str(weights), str(file), file.stem.rpartition("-")[2], progress=False)
        except (OSError, RuntimeError) as error:  # no network; not the bytes that were announced
            raise unavailable(called, error) from None
    return file


def _adapted(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors after the model's own hooks: position embeddings resized, windows' tables rebuilt."""
    found = dict(state)
    for name, module in model.named_modules():
        for hook in module._load_state_dict_pre_hooks.values():
            hook(found, f"{name}." if name else "", {}, True, [], [], [])
    return found
