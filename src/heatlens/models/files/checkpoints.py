"""Weights from files, without ever unpickling: safetensors, or torch files read with `weights_only=True`."""

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import Tensor, nn, strided

from ...words.errors import HeatlensError, ModelUnavailable
from ..subject.subject import Subject
from .archives import check_sizes, opened
from .building import first_line
from .pickles import check_pickle, check_pickles

_INSIDE = ("state_dict", "model_state_dict", "model", "net", "weights")
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""torchvision's published DenseNets still have the names of before 2018."""
_DEEPEST = 20
"""How many dictionaries may lie around the tensors."""
_PREFIXES = ("module.", "_orig_mod.", "model.")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name."""
    return tensors_of(read_file(path), Path(path).name)


def read_file(path: str | Path) -> Any:
    """What a checkpoint holds; `ModelUnavailable` where it is absent, damaged or would run code."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelUnavailable(f"no weights file {str(path)!r}", "a .safetensors, .pt or .pth file")
    check_sizes(file)
    try:
        return _read(file)
    except HeatlensError:
        raise
    except UnpicklingError:
        raise ModelUnavailable(
            f"{file.name} holds Python objects, which heatlens does not load because they can run code",
            "a file of tensors only",
            "save it again as safetensors or with torch.save(model.state_dict(), …)",
        ) from None
    except Exception as error:  # damage shows itself in any way
        raise ModelUnavailable(
            f"{file.name} cannot be read: {first_line(error)}", "an undamaged safetensors or torch file"
        ) from None


def load_state(model: nn.Module, path: str | Path) -> None:
    """Fill a model with a checkpoint; every tensor must fit."""
    fill(model, read_state(path), Path(path).name)


def filled(subject: Subject, path: str | Path) -> Subject:
    """The subject, its model filled with a checkpoint."""
    load_state(subject.model, path)
    return subject


def fill(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Fill a model with tensors by name; `name` says where they are from."""
    own = model.state_dict()
    state = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    while prefix := next((p for p in _PREFIXES if _wrapped(state, p) and not any(k.startswith(p) for k in own)), ""):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    wrong = [f"{k} is {tuple(v.shape)}" for k, v in state.items() if k in own and own[k].shape != v.shape]
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    strange = [key for key in state if key not in own]
    if wrong or missing or strange:
        kinds = (("of another shape", wrong), ("missing", missing), ("not in the model", strange))
        said = "; ".join(f"{len(keys)} {kind} (first: {keys[0]})" for kind, keys in kinds if keys)
        raise ModelUnavailable(
            f"{name} does not fit {type(model).__name__}: {said}",
            "weights of this very architecture",
            "check the model's name and arguments (num_classes=… for other classes)",
        )
    model.load_state_dict(state, strict=False)


def _read(file: Path) -> Any:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    _check_nesting(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _check_nesting(file: Path) -> None:
    """That what is pickled in a torch file can be made at all, before anything is."""
    if is_zipfile(file):
        with opened(file) as archive:
            if "data.pkl" in archive.sizes:
                check_pickle(archive.text("data.pkl"), file.name)
        return
    with file.open("rb") as stream:
        check_pickles(stream, file.name)


def tensors_of(state: Any, name: str) -> dict[str, Tensor]:
    """The tensors by name in what a file called `name` holds, wherever its writer put them."""
    for _ in range(_DEEPEST):
        held = _as_dict(state)
        inner = next((k for k in _INSIDE if isinstance(held.get(k), dict)), None)
        if inner is None:
            break
        state = held[inner]
    found = {str(k): _dense(v, str(k), name) for k, v in _as_dict(state).items() if isinstance(v, Tensor)}
    if not found:
        raise ModelUnavailable(
            f"{name} holds no tensors by name", "a state dict", "save it with torch.save(model.state_dict(), …)"
        )
    return found


def _as_dict(state: Any) -> dict[Any, Any]:
    """What a dictionary holds; nothing where one that was unpickled has attributes over its methods."""
    hidden = getattr(state, "__dict__", {}).keys() & {"get", "items", "keys", "values"}
    return dict(dict.items(state)) if isinstance(state, dict) and not hidden else {}


def _dense(tensor: Tensor, key: str, name: str) -> Tensor:
    """The tensor, where it is numbers that are there."""
    if tensor.layout is not strided or tensor.is_meta:
        kind = "no numbers" if tensor.is_meta else f"the layout {tensor.layout}"
        raise ModelUnavailable(f"{key} of {name} has {kind}", "dense tensors", "save it again from the CPU")
    return tensor


def _wrapped(state: dict[str, Tensor], prefix: str) -> bool:
    """Whether every name begins with what a wrapper puts in front."""
    return all(key.startswith(prefix) for key in state)
