"""GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts.  Carsten Rother, Vladimir Kolmogorov, Andrew
Blake.  SIGGRAPH 2004; as LayerCAM (IEEE TIP 2021) refines the maps of shallow layers before it draws boxes: what is
above 15 % of the maximum is the object for certain, the rest probably not, one iteration.
"""

import numpy as np
from numpy.typing import NDArray

from ..images.regions import Mask
from ..words.optional import require


def grabcut(pixels: NDArray[np.uint8], mask: Mask, *, iterations: int = 1) -> Mask:
    """(H, W): the mask, grown by pixels whose colours (H, W, 3) and edges say that they belong to it.

    An empty or full mask stays what it is.  Needs OpenCV, and sets its random numbers, so that the result is the same
    every time.  Several seconds for a photo of ten million pixels.
    """
    if mask.all() or not mask.any():
        return mask
    cv2 = require("cv2")
    cv2.setRNGSeed(0)
    said = np.where(mask, cv2.GC_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    colours = np.ascontiguousarray(pixels[..., ::-1])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(colours, said, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    return np.asarray((said == cv2.GC_FGD) | (said == cv2.GC_PR_FGD))
