"""Several models with weights and options of their own, in a TOML file."""

import tomllib
from pathlib import Path
from typing import Any

from ...words.errors import BadValue
from .request import ModelRequest


def read_models(path: Path) -> tuple[ModelRequest, ...]:
    """A section for each model, whose name its rows say: `model`, `weights`, and whatever `heatlens.load` takes.

    [small]
    model = "timm/mobilenetv2_100"
    weights = "small.safetensors"    # a file beside this one, or a name
    mean = 0.5

    Raises `BadValue`.
    """
    try:
        told = tomllib.loads(path.expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadValue(f"the models {str(path)!r}: {error}", "a TOML file with a section for each model") from None
    return tuple(_model(path.expanduser(), name, section) for name, section in told.items())


def _model(path: Path, name: str, section: Any) -> ModelRequest:
    if not isinstance(section, dict) or not isinstance(section.get("model"), str):
        raise BadValue(f"{name!r} in {path}", 'a section with model = "NAME"')
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
    weights = str(options["weights"]) if "weights" in options else None
    beside = path.parent / weights if weights else None
    file = str(beside) if beside is not None and beside.is_file() else weights
    others = sorted((key, value) for key, value in options.items() if key not in ("model", "weights"))
    return ModelRequest(name, section["model"], file, tuple(others))
