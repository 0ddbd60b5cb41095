"""PxAP, the pixel average precision.  Junsuk Choe, Seong Joon Oh, Seungho Lee, Sanghyuk Chun, Zeynep Akata, Hyunjung
Shim: Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020, arXiv:2001.07437.

    Prec(tau) = |{L >= tau} and object| / |{L >= tau}|        Rec(tau) = |{L >= tau} and object| / |object|
    PxAP      = sum_l  Prec(tau_l) (Rec(tau_l) - Rec(tau_{l-1}))           over the pixels of all photos together

L is scaled to [0, 1] by its extremes; tau falls from 3 and 2 over 1 and 0.999 to 0; pixels that are not judged are
left out.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..words.metric import Line, metric
from ..words.notation import Maps, unit_range

_EDGES = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
_BINS = len(_EDGES) - 1


def _precision_and_recall(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From counts (photos, 2 * bins), on the object and beside it; NaN where no pixel is an object's."""
    on, beside = np.nansum(values.reshape(-1, 2, _BINS), axis=0)[:, ::-1].cumsum(-1)
    precision = np.divide(on, on + beside, out=np.zeros(_BINS), where=on + beside > 0)
    return precision, np.divide(on, on[-1], out=np.full(_BINS, np.nan), where=on[-1] > 0)


def _average_precision(values: NDArray[np.float64]) -> float:
    precision, recall = _precision_and_recall(values)
    return float((precision * np.diff(recall, prepend=0)).sum())


def _over_recall(values: NDArray[np.float64]) -> list[Line]:
    precision, recall = _precision_and_recall(values)
    marked = (precision > 0) | (recall > 0)
    return [("precision", recall[marked], precision[marked])]


@metric(curve=True, summary=_average_precision, lines=_over_recall, axis="recall")
def px_ap(attribution: Maps, masks: Tensor) -> Tensor:
    """(n, 2 * 1002): how many pixels lie between two thresholds, on the object and beside it; NaN without a mask."""
    maps, truths = unit_range(attribution, 1).cpu().numpy(), masks.cpu().numpy()
    rows = np.full((len(maps), 2 * _BINS), np.nan, np.float32)
    for row, values, mask in zip(rows, maps, truths, strict=True):
        if (mask != 255).any():
            row[:] = np.concatenate([np.histogram(values[mask == on], _EDGES)[0] for on in (1, 0)])
    return torch.from_numpy(rows)
