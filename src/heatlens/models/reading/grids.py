"""The grid that tokens lie on: as declared, from the stride of the patches, or with the proportions of the image."""

from math import prod

Sizes = tuple[int, ...]
_MOST_PREFIX = 16
"""More prefix tokens than this are not guessed."""


def find_grid(
    tokens: int, size: Sizes, grid: Sizes | None, prefix_tokens: int | None, patch: Sizes | None, *, measured: bool
) -> tuple[Sizes, int, bool] | None:
    """The grid, how many tokens come before it, and whether that much is sure.  measured: nobody declared the patch."""
    declared = prefix_tokens is not None
    if grid is not None:
        prefix = tokens - prod(grid) if prefix_tokens is None else prefix_tokens
        return (grid, prefix, True) if 0 <= prefix <= tokens - prod(grid) else None
    prefixes = range(_MOST_PREFIX + 1) if prefix_tokens is None else dict.fromkeys((prefix_tokens, 0))
    if patch is not None:
        step = (1, *patch) if len(size) == 3 and len(patch) == 2 else patch
        for one in _pyramid(size, step):
            if (prefix := tokens - prod(one)) in prefixes:
                return one, prefix, declared or not measured or prefix == 1
    for exactly in (True, False):
        for prefix in prefixes:
            if (found := _factors(tokens - prefix, size, exactly)) is not None:
                return found, prefix, declared
    return None


def proportional(space: Sizes, size: Sizes) -> bool:
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
