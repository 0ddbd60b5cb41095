"""Volumes: photos of three dimensions, from arrays, `.npy` and NIfTI files; and their slices as pictures."""

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...words.errors import BadPhoto, BadValue
from ...words.npy_files import read_npy
from ...words.optional import require
from ...words.wording import readable
from .decode import check_size
from .pixels import Pixels

_NIFTI = (".nii", ".nii.gz")
_WINDOW = (1.0, 99.0)
"""Percentiles of the voxels that are drawn black and white."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels as they were measured, of one channel or several."""

    voxels: NDArray[np.float32]
    """(channels, depth, height, width), read-only; of a NIfTI file the axes in their order."""
    name: str = "volume"
    path: Path | None = None

    @property
    def size(self) -> tuple[int, int, int]:
        """(depth, height, width)."""
        depth, height, width = self.voxels.shape[1:]
        return depth, height, width

    def slice(self, axis: int, index: int) -> Pixels:
        """(H, W, 3) uint8: one slice of the first channel in grey, from its 1st to its 99th percentile."""
        low, high = np.percentile(self.voxels[0], _WINDOW)
        grey = (np.take(self.voxels[0], index, axis) - low) / max(float(high - low), 1e-12)
        return np.ascontiguousarray(np.repeat((grey.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, 2))


def read_volume(source: Any) -> Volume:
    """A volume from an array or tensor (d, h, w) or (channels, d, h, w), a `.npy` file, or a NIfTI file (nibabel).

    Raises BadPhoto, which says what was found, and `MissingExtra`.
    """
    if isinstance(source, Volume):
        return source
    if isinstance(source, Tensor):
        return _volume(source.detach().cpu().float().numpy())
    if isinstance(source, np.ndarray):
        return _volume(source)
    if not isinstance(source, str | os.PathLike):
        raise BadPhoto(f"A volume cannot be read from a {type(source).__name__}", "Expected an array or a file")
    path = Path(source).expanduser()
    if not path.is_file():
        raise BadPhoto(f"There is no file {path}", "Expected a .npy or NIfTI file (.nii, .nii.gz)")
    if path.name.endswith(_NIFTI):
        return _volume(_nifti(path), path)
    if path.suffix != ".npy":
        raise BadPhoto(f"{path} is no volume", "Expected a .npy or NIfTI file (.nii, .nii.gz)", "Or pass an array")
    try:
        voxels = read_npy(path)
    except (OSError, ValueError) as error:
        raise BadPhoto(f"{path} cannot be read: {error}", "Expected an array of numbers") from None
    _check_voxels(path, voxels.shape)
    return _volume(voxels, path)


def _nifti(path: Path) -> NDArray[Any]:
    library = require("nibabel")
    try:
        scan = library.load(path)
        _check_voxels(path, scan.shape)
        return np.asarray(scan.get_fdata(dtype=np.float32))
    except BadPhoto:
        raise
    except Exception as error:  # whatever a damaged header does to the library
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadPhoto(f"{path} cannot be read: {why}", "Expected a NIfTI file") from None


def _check_voxels(path: Path, shape: tuple[int, ...]) -> None:
    """Of what a file says of its size, before it is unpacked: some megabytes may hold as many gigabytes."""
    check_size("HEATLENS_MAX_VOXELS", prod(map(int, shape)), f"{path} has {{}} voxels")


def _volume(array: NDArray[Any], path: Path | None = None) -> Volume:
    if array.ndim not in (3, 4) or 0 in array.shape or not np.issubdtype(array.dtype, np.number):
        raise BadPhoto(
            f"{'An array' if path is None else path} of shape {array.shape} and type {array.dtype} is no volume",
            "Expected numbers (depth, height, width), or (channels, depth, height, width)",
        )
    voxels = np.array(array if array.ndim == 4 else array[None], np.float32)
    if not np.isfinite(voxels).all():
        raise BadPhoto(f"{'A volume' if path is None else path} with NaN or infinity in it", "Expected finite numbers")
    voxels.flags.writeable = False
    stem = "volume" if path is None else path.name.removesuffix(".gz").rpartition(".")[0]
    return Volume(voxels, readable(stem), path)


def check_axis(axis: int) -> int:
    """An axis of a volume: 0, 1 or 2."""
    if axis not in (0, 1, 2):
        raise BadValue(f"axis={axis!r} of a volume", "0 (depth), 1 (height) or 2 (width)")
    return axis
