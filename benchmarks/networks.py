"""The trained networks and photos that real benchmarks use: HEATLENS_DATA, or `shared/data` beside the repository."""

import os
from pathlib import Path

import click

from heatlens.evaluate import ModelRequest

_NETWORKS = {
    "mobilenetv2_100": ("timm/mobilenetv2_100", "mobilenetv2_100", {"mean": 0.5, "std": 0.5, "pad_type": "same"}),
    "mobilenet_v2": ("torchvision/mobilenet_v2", "torchvision_mobilenet_v2", {"mean": 0.5, "std": 0.5}),
    "squeezenet1_1": ("torchvision/squeezenet1_1", "squeezenet1_1_gluon_fp32", {}),
    "deit_tiny": ("timm/deit_tiny_patch16_224", "deit_tiny_patch16_224", {}),
}
_WHOLE = (("resize", "squash"), ("size", 224))
"""The size is named so that nothing is cut off after the squash, as the libraries' preprocessing would."""


def data_folder() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HEATLENS_DATA", beside))
    if not (folder / "weights").is_dir():
        raise click.ClickException("no trained networks and photos: set HEATLENS_DATA to their folder")
    return folder


def networks(names: tuple[str, ...] = ()) -> tuple[ModelRequest, ...]:
    """All of them, or those of these names; they see whole photos, squashed."""
    weights = data_folder() / "weights"
    return tuple(
        ModelRequest(name, model, str(weights / f"{file}.safetensors"), (*options.items(), *_WHOLE))
        for name, (model, file, options) in _NETWORKS.items()
        if not names or name in names
    )
