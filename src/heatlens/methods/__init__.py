"""The table of contents: one paper, one file, one function.  `heatlens.methods()` lists the names."""

import sys
from types import ModuleType

from ..registry import METHODS
from .ablation_cam import ablation_cam as ablation_cam
from .cam import cam as cam
from .deep_feature_factorisation import deep_feature_factorisation as deep_feature_factorisation
from .dummy_cam import dummy_cam as dummy_cam
from .eigen_cam import eigen_cam as eigen_cam
from .eigen_grad_cam import eigen_grad_cam as eigen_grad_cam
from .fake_cam import fake_cam as fake_cam
from .fem import fem as fem
from .grad_cam import grad_cam as grad_cam
from .grad_cam_element_wise import grad_cam_element_wise as grad_cam_element_wise
from .grad_cam_pp import grad_cam_pp as grad_cam_pp
from .hires_cam import hires_cam as hires_cam
from .integrad_cam import integrad_cam as integrad_cam
from .integrated_grad_cam import integrated_grad_cam as integrated_grad_cam
from .kpca_cam import kpca_cam as kpca_cam
from .layer_cam import layer_cam as layer_cam
from .layer_integrated_gradients import layer_integrated_gradients as layer_integrated_gradients
from .random_cam import random_cam as random_cam
from .recipro_cam import recipro_cam as recipro_cam
from .seg_eigen_cam import seg_eigen_cam as seg_eigen_cam
from .shapley_cam import shapley_cam as shapley_cam
from .smooth_grad_cam_pp import smooth_grad_cam_pp as smooth_grad_cam_pp
from .xgrad_cam import xgrad_cam as xgrad_cam
from .zoom_cam import zoom_cam as zoom_cam


class _Contents(ModuleType):
    """The package answers a call, since `heatlens.methods` is both the room and the list of what is in it."""

    def __call__(self) -> list[str]:
        return sorted(METHODS)


sys.modules[__name__].__class__ = _Contents
