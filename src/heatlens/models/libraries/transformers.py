"""transformers: image classifiers and models that embed photos and texts, by hub name, from a folder, or as modules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from torch import nn

from ...targets import Classes, Similarity
from ...words.errors import BadValue, ModelUnavailable
from ...words.optional import require
from ..files.building import first_line, unavailable
from ..files.checkpoints import filled, read_state
from ..subject.library import Library
from ..subject.plain import plain
from ..subject.subject import Subject
from .hub import check_reachable
from .transformers_config import frames_of, labels_of, reading_of, shown_by, usual_of
from .zero_shot import Texts, ZeroShot, reads

_NO_PICTURES = {"imagegpt", "perceiver", "shieldgemma2"}
"""Classifiers that look at something else than a tensor of pixels."""


def names() -> list[str]:
    """What of the hub is on this machine already; every other name of the hub is understood too."""
    hub = require("huggingface_hub")
    try:
        stored = hub.scan_cache_dir().repos
    except hub.errors.CacheNotFound:
        return []
    return sorted(one.repo_id for one in stored if one.repo_type == "model")


def families() -> list[str]:
    """The kinds of networks that can be loaded by name; others that embed photos beside texts may work too."""
    auto = require("transformers.models.auto.modeling_auto")
    return sorted({*auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, "clip", "siglip"} - _NO_PICTURES)


def transformers(name: str, weights: Any = None, processor: Any = None, **arguments: Any) -> Subject:
    """name: a folder or a name of the hub.  weights: None (its own), a file, or "none" (random).

    Arguments go to the configuration (`num_labels=3`).  Weights are read from safetensors, else by torch with
    `weights_only=True`; code that lies beside them is never run.
    """
    library, folder = require("transformers"), Path(name).expanduser()
    local = folder.is_dir()
    where, called = str(folder) if local else name, f"transformers/{folder.resolve().name if local else name}"
    if not local:
        check_reachable(called, name, ("config.json",))
    with _quietly(library):
        config = _had(
            lambda: library.AutoConfig.from_pretrained(where, trust_remote_code=False, **arguments), called, arguments
        )
        model = _model(_kind(library, config, called), where, called, config, weights)
        return from_module(model, called, processor or _beside(library, where))


def made_here(model: Any) -> bool:
    """Whether a module is one of transformers'."""
    return any(base.__module__ == "transformers.modeling_utils" for base in type(model).__mro__)


def from_module(model: Any, name: str = "", processor: Any = None) -> Subject:
    """A subject of a module of transformers.

    processor: an image processor, a processor with a tokenizer, or None: what lies where the model was loaded from.
    """
    if not reads(model) and getattr(model, "main_input_name", "") != "pixel_values":
        return plain(model)
    where, kind = getattr(model.config, "name_or_path", ""), type(model).__name__
    if processor is None and where:
        processor = _beside(require("transformers"), where, local_files_only=True)
    shown, assumed = shown_by(model, getattr(processor, "image_processor", processor))
    usual = usual_of(kind)
    subject = Subject(
        name or kind,
        model,
        shown,
        Classes() if isinstance(usual, Similarity) else labels_of(model.config),
        reading_of(model, usual),
        assumed=assumed,
        usual=usual,
        frames=frames_of(model.config),
    )
    if not reads(model):
        return subject
    reader = Texts(model, getattr(processor, "tokenizer", None))
    return replace(subject, model=ZeroShot(model), reader=reader, usual=Similarity())


def _kind(library: Any, config: Any, called: str) -> Any:
    """The class that the weights were saved from."""
    said = (config.architectures or [""])[0]
    kind = getattr(library, said, None)
    if kind is None and not said:
        kind = library.AutoModelForImageClassification._model_mapping.get(type(config), None)
    texts = hasattr(kind, "get_image_features") and hasattr(kind, "get_text_features")
    if kind is None or not (texts or getattr(kind, "main_input_name", "") == "pixel_values"):
        raise BadValue(
            f"{called} is of the kind {said or type(config).__name__}",
            "an image classifier, or a model that embeds photos and texts",
            "kinds that work: heatlens models transformers",
        )
    return kind


def _model(kind: Any, where: str, called: str, config: Any, weights: Any) -> nn.Module:
    """Built by the library itself, which knows how the names in its files became those of its modules."""
    if weights == "none":
        fresh: nn.Module = kind(config).eval()
        return fresh
    source: dict[str, Any] = {} if weights is None else {"state_dict": read_state(weights)}
    model, found = _had(
        lambda: kind.from_pretrained(
            None if source else where, config=config, output_loading_info=True, trust_remote_code=False, **source
        ),
        called,
    )
    if missing := sorted(found["missing_keys"]):
        raise ModelUnavailable(
            f"the weights of {called} lack {len(missing)} of {kind.__name__} (first: {missing[0]})",
            "weights of this very architecture",
            'give weights=FILE, or weights="none" for random weights',
        )
    return model  # type: ignore[no-any-return]


def _had(get: Callable[[], Any], called: str, arguments: dict[str, Any] | None = None) -> Any:
    """What a reader of transformers returns; in one line what went wrong."""
    try:
        return get()
    except UnpicklingError:
        raise ModelUnavailable(
            f"the weights of {called} hold Python objects, which are not loaded because they can run code",
            "safetensors, or a file of tensors only",
        ) from None
    except OSError as error:  # of the hub, of the network, of the disk
        raise unavailable(called, error) from None
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        said = f" with {', '.join(arguments)}" if arguments else ""
        raise BadValue(
            f"{called} cannot be read{said}: {first_line(error)}", "a folder or hub name of transformers"
        ) from None


def _beside(library: Any, where: str, **options: Any) -> Any:
    """The processor that lies beside a model: with a tokenizer where there is one, else of images alone."""
    for reader in (library.AutoProcessor, library.AutoImageProcessor):
        try:
            return reader.from_pretrained(where, trust_remote_code=False, **options)
        except (OSError, ValueError, KeyError, TypeError, ImportError):
            continue
    return None


@contextmanager
def _quietly(library: Any) -> Iterator[None]:
    """Without the progress bars and reports of loading."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _wrapped(model: Any, **options: Any) -> Subject | None:
    return from_module(model, **options) if made_here(model) else None


TRANSFORMERS = Library("transformers", transformers, names, _wrapped, frozenset({"processor"}), filled)
