"""How a layer's output is read as channels over a space: channels first, channels last, or tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from ...engine.forward.declared_channels import Declarations, Look, nothing
from ...targets import Meaning
from ...words.errors import LayoutUnclear
from ...words.notation import Stack
from .grids import find_grid, proportional
from .padding import Padding, Trimmed
from .sequences import Frames, Steps

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class ChannelsFirst:
    """(n, c, *space): as it is."""

    def to_stack(self, said: Tensor) -> Stack:
        return said

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        return stack


@dataclass(frozen=True)
class ChannelsLast:
    """(n, *space, c)."""

    def to_stack(self, said: Tensor) -> Stack:
        return said.movedim(-1, 1)

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        return stack.movedim(1, -1)


@dataclass(frozen=True)
class Tokens:
    """(n, prefix + places, c), or (prefix + places, n, c) with the sequence first."""

    grid: Sizes
    prefix: int = 0
    sequence_first: bool = False
    guessed: bool = field(default=False, compare=False)
    """Whether nobody declared the prefix, nor the size of the patches that would tell it."""
    time_last: bool = False
    """Whether of a clip (frames, rows, columns) the frames of a place lie together, and not the places of a frame."""

    @property
    def batch_axis(self) -> int:
        return int(self.sequence_first)

    def to_stack(self, said: Tensor) -> Stack:
        tokens = said.transpose(0, 1) if self.sequence_first else said
        grid = (*self.grid[1:], self.grid[0]) if self.time_last else self.grid
        stack = tokens[:, self.prefix : self.prefix + prod(grid)].mT.reshape(len(tokens), -1, *grid)
        return stack.movedim(-1, 2) if self.time_last else stack

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        """The prefix tokens, and any behind the grid, stay what they are in `said`."""
        kept = said.transpose(0, 1) if self.sequence_first else said
        places = prod(self.grid)
        written = stack.movedim(2, -1) if self.time_last else stack
        tokens = torch.cat([kept[:, : self.prefix], written.flatten(2).mT, kept[:, self.prefix + places :]], 1)
        return tokens.transpose(0, 1) if self.sequence_first else tokens


Layout = ChannelsFirst | ChannelsLast | Tokens | Trimmed | Steps | Frames


@dataclass(frozen=True)
class Reading:
    """What is declared about a model's layouts; None: found out from the shapes."""

    prefix_tokens: int | None = None
    grid: Sizes | None = None
    patch: Sizes | None = None
    """The stride of the patch embedding."""
    channels_last: bool | None = None
    measured: bool = False
    """Whether the stride was read off a convolution, and declared by nobody."""
    padding: Padding | None = None
    """What the model adds to pictures by itself."""
    head: bool = True
    """Whether the outputs are scores of classes: a layer with one channel for each is then the head."""
    outputs: Meaning = Meaning()
    """How the outputs are read."""
    axes: str | None = None
    """A letter for every axis of the images, n the batch and c the channels, such as "ntchw"."""
    time_last: bool | None = None
    """Whether of the tokens of a clip the frames of one place lie together; None: nobody said."""

    def reader(self, model: nn.Module) -> Callable[[str, Tensor, Tensor], Layout]:
        """The layout of what a layer of this model said of some images (n, channels, *size)."""
        declared = Declarations(model)

        def read(layer: str, said: Tensor, images: Tensor) -> Layout:
            known = partial(declared.of, layer)
            return self.layout(layer, tuple(said.shape), images.shape[0], tuple(images.shape[2:]), known)

        return read

    def layout(self, layer: str, shape: Sizes, batch: int, size: Sizes, known: Look = nothing) -> Layout:
        """The layout of an output of this shape, for a batch of images of a spatial size.

        known: what the layer and those around it declare.
        """
        space = len(size)
        if len(shape) == 3 and batch in shape[:2]:
            return self._sequence(layer, shape, batch, size, known)
        if len(shape) == space + 2 and shape[0] == batch:
            if self.padding is not None:
                return Trimmed(self.padding.shown(size, shape[2:]))
            return ChannelsLast() if self._last(shape, size, known) else ChannelsFirst()
        if space == 3 and len(shape) == 4 and shape[0] == batch:
            return self.layout(layer, shape, batch, size[1:], known)  # of one frame
        if space == 3 and len(shape) > 2 and shape[0] == batch * size[0]:
            return self._frames(layer, shape, batch, size, known)
        raise LayoutUnclear(
            f"layer {layer!r} returns a tensor of shape {shape} for {batch} image(s) of size {size}",
            "(n, c, *space), (n, *space, c) or tokens (n, t, c)",
            "choose another layer: heatlens layers MODEL",
        )

    def _last(self, shape: Sizes, size: Sizes, known: Look) -> bool:
        if self.channels_last is not None:
            return self.channels_last
        # time has a stride of its own, so only the picture's two dimensions speak
        first, last = (proportional(space[-2:], size[-2:]) for space in (shape[2:], shape[1:-1]))
        return bool(known().last(shape)) if first and last else last

    def _sequence(self, layer: str, shape: Sizes, batch: int, size: Sizes, known: Look) -> Layout:
        """(n, a, b): tokens of a grid, steps one after the other, or a series with its channels first."""
        backwards = shape[0] != batch or (shape[1] == batch and not known().batch_first)
        steps = len(size) == 1 or (self.grid is None and known().recurrent)
        if not steps:
            return self._tokens(layer, shape, shape[0] if backwards else shape[1], size, backwards)
        # one dimension of space has no proportions: channels are where modules declare them
        last = (
            backwards
            or len(size) > 1
            or (self.channels_last if self.channels_last is not None else known().last(shape))
        )
        if last is None:
            raise LayoutUnclear(
                f"layer {layer!r} returns {shape}, of which either axis could be the channels",
                "to be told",
                "say channels_last=True, or False",
            )
        return Steps(backwards, self.prefix_tokens or 0) if last else ChannelsFirst()

    def _frames(self, layer: str, shape: Sizes, batch: int, size: Sizes, known: Look) -> Layout:
        if batch > 1:
            raise LayoutUnclear(
                f"layer {layer!r} returns {shape}: frames of {batch} clips in one batch, in an order not shown",
                "one clip at a time",
            )
        return Frames(self.layout(layer, shape, size[0], size[1:], known), size[0])

    def _tokens(self, layer: str, shape: Sizes, tokens: int, size: Sizes, sequence_first: bool) -> Tokens:
        found = find_grid(tokens, size, self.grid, self.prefix_tokens, self.patch, measured=self.measured)
        if found is None:
            raise LayoutUnclear(
                f"layer {layer!r} returns {shape}: {tokens} tokens do not show which grid they lie on",
                f"a grid with the proportions of the image {size}",
                "say prefix_tokens=… and grid=(rows, columns)",
            )
        grid, prefix, sure = found
        unsure = len(size) == 3 and self.patch is not None and len(self.patch) == 2 and self.grid is None
        if unsure and self.time_last is None:
            raise LayoutUnclear(
                f"layer {layer!r} returns {shape}: tokens of {grid[0]} frames, in an order that shows nowhere",
                "to be told",
                "say time_last=False if those of a frame lie together, True if those of a place do",
            )
        return Tokens(grid, prefix, sequence_first, prefix > 0 and not sure, bool(self.time_last) and len(grid) == 3)
