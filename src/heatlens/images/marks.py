"""What is drawn on a photo: hatching, contours, a ring.  Drawn enlarged and reduced, for smooth edges."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WHITE, DARK = (255, 255, 255), (16, 16, 20)

_Draw = Callable[[ImageDraw.ImageDraw, int, float, NDArray[np.float64]], object]
"""Draws a shape on a canvas, which is enlarged by a factor and begins at an origin (x, y) of the picture, with a line
of a width in canvas pixels."""


def unseen(picture: Image.Image, photo: Image.Image, seen: NDArray[np.bool_]) -> Image.Image:
    """The picture with the photo, grey, pale and finely hatched, where `seen` (H, W) is False."""
    pale = photo.convert("L").point(lambda v: 132 + v * 0.4).convert("RGB")
    pale.paste(DARK, mask=_hatching(picture.size))
    inside = Image.fromarray(seen.astype(np.uint8) * 255)
    result = Image.composite(picture, pale, inside)
    if box := inside.getbbox():
        _frame(result, box)
    return result


def _hatching(size: tuple[int, int]) -> Image.Image:
    """Thin diagonal lines as a mask."""
    width, height = size
    step = max(min(size) / 55, 6.0)
    diagonal = (np.arange(height, dtype=np.float32)[:, None] + np.arange(width, dtype=np.float32)) % step
    distance = np.abs(diagonal - step / 2) / np.sqrt(2, dtype=np.float32)
    return Image.fromarray(((step / 20 + 0.5 - distance).clip(0, 1) * 56).astype(np.uint8))


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
    if not lines:
        return picture

    def draw(canvas: ImageDraw.ImageDraw, factor: int, width: float, origin: NDArray[np.float64]) -> None:
        for line in lines:
            path = ((line - origin) * factor).ravel().tolist()
            canvas.line(path, fill=255, width=round(width), joint="curve")

    every = np.concatenate(lines)
    return _stroked(picture, draw, max(min(picture.size) / 240, 1.25), every.min(0), every.max(0))


def ring(picture: Image.Image, centre: tuple[float, float]) -> Image.Image:
    """The picture with a small ring around `centre` (x, y), in continuous coordinates."""
    radius = max(min(picture.size) / 40, 4.0)
    middle = np.array(centre)

    def draw(canvas: ImageDraw.ImageDraw, factor: int, width: float, origin: NDArray[np.float64]) -> None:
        x, y = (middle - origin) * factor
        outer = radius * factor + width / 2
        canvas.ellipse((x - outer, y - outer, x + outer, y + outer), outline=255, width=round(width))

    return _stroked(picture, draw, max(radius / 3.5, 1.5), middle - radius, middle + radius)


def _stroked(
    picture: Image.Image, draw: _Draw, width: float, first: NDArray[np.float64], last: NDArray[np.float64]
) -> Image.Image:
    """The picture with a shape between two corners, in white on a dark halo, visible on light and on dark."""
    result = picture.copy()
    halo = width + max(width, 2.0)
    origin = np.maximum(np.floor(first - halo), 0)
    across, down = (np.ceil(np.minimum(last + halo, picture.size)) - origin).astype(int).tolist()
    if across < 1 or down < 1:  # a shape beyond the picture's edges
        return result
    factor = 4 if across * down < 1_500_000 else 1  # where lines are many pixels wide, steps are not seen
    for colour, wide, opacity in ((DARK, halo, 0.6), (WHITE, width, 1.0)):
        canvas = Image.new("L", (across * factor, down * factor))
        draw(ImageDraw.Draw(canvas), factor, wide * factor, origin)
        mask = canvas.reduce(factor).point([round(v * opacity) for v in range(256)])
        result.paste(colour, (int(origin[0]), int(origin[1])), mask)
    return result
