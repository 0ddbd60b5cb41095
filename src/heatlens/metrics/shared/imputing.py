"""ROAD's noisy linear imputation: a missing pixel is the weighted mean of its eight neighbours, and a little noise.

    sum_j w_ij (x_i - x_j) = 0 over the neighbours j of a missing pixel i;  w = 1/6 beside, 1/12 across the corner

Beyond the border there are no neighbours, and the weights of the others count for more.  The equations of the missing
pixels are symmetric and positive definite as long as one pixel is left.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...words.bounds import at_least
from ...words.errors import BadSetting, BadValue
from ...words.notation import Maps
from ...words.optional import require
from .replacing import Scored, ranks

_WEIGHTS = {(0, 1): 1 / 6, (1, 0): 1 / 6, (1, 1): 1 / 12, (1, -1): 1 / 12}
"""Of the neighbours to the right and below; those to the left and above have the same."""


def after_removal(
    images: Tensor, maps: Maps, scored: Scored, percents: tuple[float, ...], noise: float, seed: int
) -> Tensor:
    """The score with the most salient `percents` of all pixels imputed: (n, percents)."""
    at_least(0, noise=noise)
    if not percents or not all(0 <= p < 100 for p in percents):
        raise BadSetting(f"the setting percents={percents}", "numbers from 0 to below 100, such as 10+50+90")
    if images.ndim != 4:
        raise BadValue(f"images of shape {tuple(images.shape)}", "pictures (n, channels, height, width) to impute")
    rank, places = ranks(maps), maps[0].numel()
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(len(percents), *images.shape[1:], generator=generator, dtype=torch.float32)

    def without(i: Tensor, k: Tensor) -> Tensor:
        return torch.stack([one(*asked) for asked in torch.stack([i, k.to(i)], 1).tolist()])

    def one(image: int, k: int) -> Tensor:
        missing = rank[image] < min(round(places * percents[k] / 100), places - 1)
        return torch.where(missing, imputed(images[image], missing) + noise * draw[k].to(images), images[image])

    return scored(without, len(percents))


def imputed(image: Tensor, missing: Tensor) -> Tensor:
    """The image (channels, h, w) with its missing pixels (h, w) filled in from the others, without noise."""
    if not bool(missing.any()):
        return image
    gone = missing.cpu().numpy()
    known = np.asarray(image.detach().double().cpu().numpy())
    values = _solved(gone, known)
    full = torch.from_numpy(np.where(gone, 0, known)).to(image)
    full[:, missing] = torch.from_numpy(values.T.copy()).to(image)
    return full


def _solved(gone: NDArray[np.bool_], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (missing, channels) that solve the equations."""
    sparse, linalg = require("scipy.sparse"), require("scipy.sparse.linalg")
    many = int(gone.sum())
    number = np.full(gone.shape, -1)
    number[gone] = np.arange(many)
    diagonal, right = np.zeros(many), np.zeros((many, len(known)))
    rows: list[NDArray[Any]] = []
    columns: list[NDArray[Any]] = []
    entries: list[NDArray[Any]] = []
    for (down, across), weight in _WEIGHTS.items():
        here, there = _neighbours(gone.shape, down, across)
        for own, other in ((here, there), (there, here)):
            i, j = number[own].ravel(), number[other].ravel()
            diagonal += weight * np.bincount(i[i >= 0], minlength=many)
            both, edge = (i >= 0) & (j >= 0), (i >= 0) & (j < 0)
            rows, columns = [*rows, i[both]], [*columns, j[both]]
            entries.append(np.full(int(both.sum()), -weight))
            values = known[(slice(None), *other)].reshape(len(known), -1)[:, edge]
            np.add.at(right, i[edge], weight * values.T)
    at = (np.concatenate([*rows, np.arange(many)]), np.concatenate([*columns, np.arange(many)]))
    matrix = sparse.csc_matrix((np.concatenate([*entries, diagonal]), at), shape=(many, many))
    factors = linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})
    solution: NDArray[np.float64] = factors.solve(right)
    return solution


def _neighbours(shape: tuple[int, ...], down: int, across: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour in a direction, and these neighbours."""
    height, width = shape
    left, right = slice(max(0, -across), width - max(0, across)), slice(max(0, across), width + min(0, across))
    return (slice(0, height - down), left), (slice(down, height), right)
