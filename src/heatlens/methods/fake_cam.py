"""Fake-CAM: Revisiting The Evaluation of Class Activation Mapping for Explainability: A Novel Metric and Experimental
Analysis. Samuele Poppi, Marcella Cornia, Lorenzo Baraldi, Rita Cucchiara.  CVPR Workshops 2021, arXiv:2104.10252.

    L(i,j) = 0 at the top left pixel, 1 everywhere else

A decoy that explains nothing and still does well on drop and increase in confidence.  Made at the size of the image:
at the size of a layer the zero would be smeared over a patch.
"""

import torch
from torch import Tensor

from ..words.notation import Maps
from ..words.signature import method


@method
def fake_cam(images: Tensor) -> Maps:
    size = images.shape[2:]
    decoy = (torch.arange(size.numel()) > 0).to(images)
    return decoy.reshape(1, *size).repeat(len(images), *[1] * len(size))
