"""How a layer's output is read as channels over a space: channels first, channels last, or tokens."""

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from ..errors import LayoutUnclear
from ..notation import Stack
from ..targets import Meaning
from .padding import Padding, Trimmed

Sizes = tuple[int, ...]
_MOST_PREFIX = 16
"""More prefix tokens than this are not guessed."""


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

    def to_stack(self, said: Tensor) -> Stack:
        tokens = said.transpose(0, 1) if self.sequence_first else said
        return tokens[:, self.prefix : self.prefix + prod(self.grid)].mT.reshape(len(tokens), -1, *self.grid)

    def from_stack(self, stack: Stack, said: Tensor) -> Tensor:
        """The prefix tokens, and any behind the grid, stay what they are in `said`."""
        kept = said.transpose(0, 1) if self.sequence_first else said
        places = prod(self.grid)
        tokens = torch.cat([kept[:, : self.prefix], stack.flatten(2).mT, kept[:, self.prefix + places :]], 1)
        return tokens.transpose(0, 1) if self.sequence_first else tokens


Layout = ChannelsFirst | ChannelsLast | Tokens | Trimmed


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

    def of(self, layer: str, said: Tensor, images: Tensor) -> Layout:
        """The layout of what a layer said of some images (n, channels, *size)."""
        return self.layout(layer, tuple(said.shape), images.shape[0], tuple(images.shape[2:]))

    def layout(self, layer: str, shape: Sizes, batch: int, size: Sizes) -> Layout:
        """The layout of an output of this shape, for a batch of images of a spatial size."""
        space = len(size)
        if len(shape) == space + 2 and shape[0] == batch:
            if self.padding is not None:
                return Trimmed(self.padding.shown(size, shape[2:]))
            return ChannelsLast() if self._last(shape, size) else ChannelsFirst()
        if len(shape) == 3 and space > 1 and batch in shape[:2]:
            sequence_first = shape[0] != batch
            return self._tokens(layer, shape, shape[0] if sequence_first else shape[1], size, sequence_first)
        raise LayoutUnclear(
            f"layer {layer!r} returns a tensor of shape {shape} for {batch} image(s) of size {size}",
            "(n, c, *space), (n, *space, c) or tokens (n, t, c)",
            "choose another layer: heatlens layers MODEL",
        )

    def _last(self, shape: Sizes, size: Sizes) -> bool:
        if self.channels_last is not None:
            return self.channels_last
        # time has a stride of its own, so only the picture's two dimensions speak
        return not _proportional(shape[2:][-2:], size[-2:]) and _proportional(shape[1:-1][-2:], size[-2:])

    def _tokens(self, layer: str, shape: Sizes, tokens: int, size: Sizes, sequence_first: bool) -> Tokens:
        found = self._grid(tokens, size)
        if found is None:
            raise LayoutUnclear(
                f"layer {layer!r} returns {shape}: {tokens} tokens do not show which grid they lie on",
                f"a grid with the proportions of the image {size}",
                "say prefix_tokens=… and grid=(rows, columns)",
            )
        grid, prefix, sure = found
        return Tokens(grid, prefix, sequence_first, guessed=prefix > 0 and not sure)

    def _grid(self, tokens: int, size: Sizes) -> tuple[Sizes, int, bool] | None:
        """The grid, how many tokens come before it, and whether that much is sure."""
        declared = self.prefix_tokens is not None
        if self.grid is not None:
            prefix = tokens - prod(self.grid) if self.prefix_tokens is None else self.prefix_tokens
            return (self.grid, prefix, True) if 0 <= prefix <= tokens - prod(self.grid) else None
        prefixes = range(_MOST_PREFIX + 1) if self.prefix_tokens is None else dict.fromkeys((self.prefix_tokens, 0))
        if self.patch is not None:
            for grid in _pyramid(size, self.patch):
                if (prefix := tokens - prod(grid)) in prefixes:
                    return grid, prefix, declared or not self.measured or prefix == 1
        for exactly in (True, False):
            for prefix in prefixes:
                if (proportional := _factors(tokens - prefix, size, exactly)) is not None:
                    return proportional, prefix, declared
        return None


def _proportional(space: Sizes, size: Sizes) -> bool:
    """Whether a space is the image's at one stride, up to rounding."""
    stride = (prod(size) / prod(space)) ** (1 / len(size))
    return all(abs(have - full / stride) < 1 for have, full in zip(space, size, strict=True))


def _pyramid(size: Sizes, patch: Sizes) -> list[Sizes]:
    """The grid of patches, and what patch merging makes of it: over the whole space, or over a clip's pictures."""
    if len(size) != len(patch):
        return []
    start = grid = tuple(full // step for full, step in zip(size, patch, strict=True))
    grids = [grid]
    while all(side > 1 for side in grid):
        grid = tuple(-(-side // 2) for side in grid)
        grids.append(grid)
    grid = start
    while len(grid) > 2 and all(side > 1 for side in grid[1:]):
        grid = (grid[0], *(-(-side // 2) for side in grid[1:]))
        grids.append(grid)
    return grids


def _factors(places: int, size: Sizes, exactly: bool) -> Sizes | None:
    """Two factors with the proportions of the image, exactly or up to rounding."""
    if len(size) != 2 or places < 1:
        return None
    rows = round((places * size[0] / size[1]) ** 0.5)
    grid = (rows, places // rows) if rows and places % rows == 0 else None
    if grid is None or (exactly and grid[0] * size[1] != grid[1] * size[0]):
        return None
    return grid if _patches(grid, size) else None


def _patches(grid: Sizes, size: Sizes) -> bool:
    """Whether square patches of some size lie on this grid, the last ones whole, cut or left away."""
    return any(
        grid in (tuple(side // patch for side in size), tuple(-(-side // patch) for side in size))
        for patch in range(1, min(size) + 1)
    )
