"""MMPretrain's configs: found, read, and what they say of classes.  The one place where a config is opened."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from ....words.errors import BadValue, HeatlensError, ModelUnavailable, unknown
from ....words.optional import require
from ...files.building import first_line
from .config_files import check_types, read_values

ENDINGS = (".py", ".yaml", ".yml", ".json")


def library() -> Any:
    """The package, its models registered, without the networks for images and text where those cannot be imported.

    MMPretrain 1.2 takes names from transformers that transformers 5 no longer has, and then fails as a whole.
    """
    with catch_warnings():
        simplefilter("ignore")  # that mmcv-lite has no compiled operators
        with _without_transformers_5():
            require("mmpretrain.models")
        return require("mmpretrain")


def names() -> list[str]:
    """Every classifier of the model zoo."""
    return list(library().list_models(task="Image Classification"))


def read_config(name: str, config: Any, *, trust: bool = False) -> tuple[Any, str | None]:
    """The config of a name of the zoo or in a file, and where its published weights are.

    A file is read and not run, and its types are names in MMPretrain's registries, unless `trust` says otherwise.
    Raises `UnknownName`, `ModelUnavailable`, `BadValue`.
    """
    mmpretrain, kind = library(), require("mmengine.config").Config
    if isinstance(config, kind):
        return config.copy(), None
    if config is None and Path(name).suffix not in ENDINGS:
        if name not in mmpretrain.list_models():
            raise unknown("mmpretrain model", name, names(), "heatlens models mmpretrain")
        found = mmpretrain.apis.ModelHub.get(name)
        return found.config, found.weights
    file = Path(config or name).expanduser()
    if not file.is_file():
        raise ModelUnavailable(f"no config file {str(file)!r}", f"a config of MMPretrain ({', '.join(ENDINGS)})")
    try:
        if trust:
            return kind.fromfile(file), None
        said = read_values(file, Path(mmpretrain.__file__).parent / ".mim" / "configs")
        check_types(said)
        return kind(said), None
    except HeatlensError:
        raise
    except Exception as error:  # a config can be a program, and fail as one
        raise BadValue(f"{file.name} cannot be read as a config: {first_line(error)}", "one of MMPretrain") from error


def parsed_options(given: tuple[str, ...]) -> dict[str, Any]:
    """`KEY=VAL` words as MMEngine's own command lines read them: numbers, `a,b`, `[a,b]`, `[(a,b)]`, None, True."""
    from argparse import ArgumentParser, Namespace

    read = Namespace()
    try:
        require("mmengine.config").DictAction([], "options")(ArgumentParser(), read, given)
    except (ValueError, AssertionError) as error:
        words = " ".join(given)
        raise BadValue(f"the config options {words}: {first_line(error)}", "KEY=VAL, KEY=a,b, KEY=[(a,b)]") from None
    return dict(read.options)


def declared_classes(config: Any) -> tuple[tuple[str, ...], bool]:
    """The class names of what is tested on, and whether the config itself says them.

    As MMPretrain has it: the data set's `metainfo`, else its `classes` (names, or a file of them), else what its kind
    declares.
    """
    held: Mapping[str, Any] = (config.get("test_dataloader") or {}).get("dataset") or {}
    while held.get("dataset"):  # one that repeats, joins or divides others
        held = held["dataset"]
    said = (held.get("metainfo") or {}).get("classes") or held.get("classes")
    if said:
        return _names(said), True
    require("mmpretrain.datasets")
    kind = held.get("type")
    dataset = require("mmpretrain.registry").DATASETS.get(kind) if isinstance(kind, str) else kind
    return _names((getattr(dataset, "METAINFO", None) or {}).get("classes") or ()), False


def _names(said: Any) -> tuple[str, ...]:
    if not isinstance(said, str):
        return tuple(map(str, said))
    try:
        return tuple(Path(said).expanduser().read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"the config's classes, {said!r}: {error}", "a text file with one name per line") from None


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
