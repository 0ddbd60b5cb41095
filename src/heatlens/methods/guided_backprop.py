"""Guided backpropagation: Striving for Simplicity: The All Convolutional Net.  Jost Tobias Springenberg, Alexey
Dosovitskiy, Thomas Brox, Martin Riedmiller.  ICLR Workshops 2015, arXiv:1412.6806.

    R = dy/dX, sent back through a ReLU of z as  R_in = R_out  where z > 0 and R_out > 0, else 0
    L = sum over the colours of |R|

The paper shows R itself as a picture.  For one number a place, `colours` takes the sum of the magnitudes (as SmoothGrad
draws a gradient), their "largest" (as saliency maps first did), or the "signed" sum.  It hardly depends on the class,
and fails sanity checks that randomise the network (arXiv:1810.03292): a control, at the size of the image.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..words.cautions import jumping_rectifiers
from ..words.notation import Maps, Stack
from ..words.signature import method

Colours = Literal["magnitude", "largest", "signed"]


@method(caution=jumping_rectifiers)
def guided_backprop(propagated: Callable[[str], Stack], *, colours: Colours = "magnitude") -> Maps:
    return one_number(propagated("guided"), colours)


def one_number(R: Tensor, colours: Colours) -> Maps:
    """One number a place from one a colour."""
    match colours:
        case "magnitude":
            return R.abs().sum(1)
        case "largest":
            return R.abs().amax(1)
        case "signed":
            return R.sum(1)
