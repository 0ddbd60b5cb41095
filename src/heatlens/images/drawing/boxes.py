"""A photo with labelled boxes on it."""

from collections.abc import Iterable

from PIL import Image

from ..placement import Box
from . import marks
from .overlay import fit

_SIDES = (448, 1600)
"""The longer side of the picture lies between these, in pixels."""

Colour = tuple[int, int, int]


def boxed(photo: Image.Image, boxes: Iterable[tuple[Box, Colour, str]]) -> Image.Image:
    """A photo with the outlines of boxes (x0, y0, x1, y1 in its pixels, half-open), each in a colour and with words."""
    picture = fit(photo, min(max(*photo.size, _SIDES[0]), _SIDES[1]))
    ratio = picture.width / photo.width, picture.height / photo.height
    for box, colour, text in boxes:
        picture = marks.rectangle(picture, marks.scaled(box, ratio), colour, text)
    return picture
