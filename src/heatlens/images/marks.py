"""What is drawn on a photo: hatching, contours, a ring.  Drawn enlarged and reduced, for smooth edges."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WHITE, DARK = (255, 255, 255), (16, 16, 20)

_Draw = Callable[[ImageDraw.ImageDraw, int, float], object]
"""Draws a shape on a canvas enlarged by a factor, with a line of a width in canvas pixels."""


def unseen(picture: Image.Image, photo: Image.Image, seen: NDArray[np.bool_]) -> Image.Image:
    """The picture with the photo, grey, pale and finely hatched, where `seen` (H, W) is False."""
    pale = photo.convert("L").point(lambda v: 120 + v * 0.4).convert("RGB")
    pale.paste(DARK, mask=_hatching(picture.size))
    inside = Image.fromarray(seen.astype(np.uint8) * 255)
    result = Image.composite(picture, pale, inside)
    if box := inside.getbbox():
        _frame(result, box)
    return result


def _hatching(size: tuple[int, int]) -> Image.Image:
    """Thin diagonal lines as a mask."""
    width, height = size
    step = max(min(size) / 45, 6.0)
    diagonal = (np.arange(height, dtype=np.float32)[:, None] + np.arange(width, dtype=np.float32)) % step
    distance = np.abs(diagonal - step / 2) / np.sqrt(2, dtype=np.float32)
    return Image.fromarray(((step / 14 + 0.5 - distance).clip(0, 1) * 70).astype(np.uint8))


def _frame(picture: Image.Image, box: tuple[int, int, int, int]) -> None:
    """A white line around a box, but not along the picture's own edges."""
    line = max(round(min(picture.size) / 300), 1)
    edges = (0, 0, *picture.size)
    outer = [
        at + (way * 2 * line if at == edge else 0) for at, edge, way in zip(box, edges, (-1, -1, 1, 1), strict=True)
    ]
    ImageDraw.Draw(picture).rectangle((outer[0], outer[1], outer[2] - 1, outer[3] - 1), outline=WHITE, width=line)


def contour(picture: Image.Image, values: NDArray[np.float32], level: float) -> Image.Image:
    """The picture with lines around what is at least `level`; `values` is (H, W) at the picture's size."""
    import contourpy

    framed = np.pad(values, 1)  # so that lines close at the edge
    lines = [line - 0.5 for line in contourpy.contour_generator(z=framed).lines(level)]

    def draw(canvas: ImageDraw.ImageDraw, factor: int, width: float) -> None:
        for line in lines:
            canvas.line((line * factor).ravel().tolist(), fill=255, width=round(width), joint="curve")

    return _stroked(picture, draw, max(min(picture.size) / 240, 1.25))


def ring(picture: Image.Image, centre: tuple[float, float]) -> Image.Image:
    """The picture with a small ring around `centre` (x, y), in continuous coordinates."""
    radius = max(min(picture.size) / 40, 4.0)
    x, y = centre

    def draw(canvas: ImageDraw.ImageDraw, factor: int, width: float) -> None:
        outer = radius * factor + width / 2
        box = (x * factor - outer, y * factor - outer, x * factor + outer, y * factor + outer)
        canvas.ellipse(box, outline=255, width=round(width))

    return _stroked(picture, draw, max(radius / 3.5, 1.5))


def _stroked(picture: Image.Image, draw: _Draw, width: float) -> Image.Image:
    """The picture with a shape in white on a dark halo, visible on light and on dark."""
    result = picture.copy()
    factor = 4 if picture.width * picture.height < 1_500_000 else 2
    for colour, wide, opacity in ((DARK, width + max(width, 2.0), 0.6), (WHITE, width, 1.0)):
        canvas = Image.new("L", (picture.width * factor, picture.height * factor))
        draw(ImageDraw.Draw(canvas), factor, wide * factor)
        mask = canvas.reduce(factor)
        result.paste(colour, mask=mask.point([round(v * opacity) for v in range(256)]))
    return result
