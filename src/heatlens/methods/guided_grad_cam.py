"""Guided Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization.  Ramprasaath R. Selvaraju,
Michael Cogswell, Abhishek Das, Ramakrishna Vedantam, Devi Parikh, Dhruv Batra.  ICCV 2017, arXiv:1610.02391.

    L = R * U(L_Grad-CAM),   R = guided backpropagation, one number a place from its colours

The fine lines of the one where the other looks, at the size of the image.
"""

from collections.abc import Callable

from ..words.cautions import jumping_rectifiers
from ..words.notation import Maps, Stack
from ..words.signature import method
from .grad_cam import grad_cam
from .guided_backprop import Colours, one_number
from .shared.masking import Enlarge


@method(caution=jumping_rectifiers)
def guided_grad_cam(
    activations: Stack,
    gradients: Stack,
    enlarge: Enlarge,
    propagated: Callable[[str], Stack],
    *,
    colours: Colours = "magnitude",
) -> Maps:
    where = enlarge(grad_cam(activations, gradients)[:, None]).squeeze(1)
    return one_number(propagated("guided"), colours) * where
