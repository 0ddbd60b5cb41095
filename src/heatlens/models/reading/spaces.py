"""How what layers of a forward pass return is read: their layout, the places of their map."""

from typing import Any

import torch

from ...engine.forward.inputs import Inputs
from ...engine.forward.layer_outputs import Found
from ...words.errors import LayoutUnclear
from .layouts import Reading


def layout_of(found: Found, inputs: Inputs, reading: Reading) -> Any:
    """How its output is read; None where it cannot be."""
    try:
        return reading.layout(found.name, found.shape, inputs.batch, inputs.size, found.known)
    except LayoutUnclear:
        return None


def space_of(found: Found, inputs: Inputs, reading: Reading) -> tuple[int, ...]:
    """The places of its map; empty where there is none."""
    layout = layout_of(found, inputs, reading)
    try:
        return () if layout is None else tuple(layout.to_stack(torch.empty(found.shape, device="meta")).shape[2:])
    except RuntimeError:  # declared tokens that are not there
        return ()
