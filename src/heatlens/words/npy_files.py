"""Arrays in `.npy` files: mapped and not read, so that no header asks for memory that its file does not fill."""

import os

import numpy as np
from numpy.typing import NDArray


def read_npy(path: str | os.PathLike[str]) -> NDArray[np.generic]:
    """The array in a file, read-only; nothing pickled.  Raises `OSError`, and `ValueError` for what is no array."""
    try:
        with np.errstate(over="ignore"):  # a size beyond counting is an error, and needs no warning beside it
            return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except OSError:
        raise
    except Exception as error:  # whatever a damaged header does to its parser
        raise ValueError((str(error).splitlines() or ["not a .npy file"])[0]) from None
