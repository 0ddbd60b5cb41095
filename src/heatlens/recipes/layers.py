"""Layers as people name them: one, a group of them, or several."""

from typing import Any

from torch import nn

from ..words.errors import BadValue

Named = str | int | nn.Module
"""How one layer, or a group of them, is named."""
EXPECTED = 'names, modules, numbers as in `heatlens layers MODEL`, "all", "stage:-1" or "layer2..layer4"'


def several(layers: Any) -> tuple[Named, ...]:
    """One way of naming layers, or several, as a tuple; none where nobody named one."""
    if isinstance(layers, nn.ModuleList):
        return tuple(layers)
    if isinstance(layers, str | nn.Module) or hasattr(layers, "__index__"):
        return (layers,)
    try:
        return tuple(layers or ())
    except TypeError:
        raise BadValue(f"layers={layers!r}", EXPECTED) from None
