"""What is drawn on a photo: hatching, contours, a ring.  Drawn enlarged and reduced, for smooth edges."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..placement import Box
from .text import font, line_height, shorten

WHITE, DARK = (255, 255, 255), (16, 16, 20)

_Mask = Callable[[float], Image.Image]
"""How strongly a line of a width covers the pixels, 0 to 255."""


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
    """A white line around a box, just outside it."""
    line = max(round(min(picture.size) / 300), 1)
    x0, y0, x1, y1 = box
    around = (x0 - line, y0 - line, x1 + line - 1, y1 + line - 1)
    ImageDraw.Draw(picture).rectangle(around, outline=WHITE, width=line)


def contour(picture: Image.Image, values: NDArray[np.float32], level: float) -> Image.Image:
    """The picture with lines around what is at least `level`; `values` is (H, W) at the picture's size."""
    import contourpy

    step = max(min(picture.size) // 1000, 1)  # a line needs no corner in every pixel of a large picture
    framed = np.pad(values[::step, ::step], 1)  # so that lines close at the edge
    lines = [(line - 1) * step + 0.5 for line in contourpy.contour_generator(z=framed).lines(level)]
    if not lines:
        return picture
    width = max(min(picture.size) / 240, 1.25)
    corners = np.concatenate(lines)
    x0, y0, x1, y1 = _within(picture, corners.min(0) - 2 * width, corners.max(0) + 2 * width)
    factor = 4 if (x1 - x0) * (y1 - y0) < 1_500_000 else 1  # where lines are many pixels wide, steps are not seen

    def mask(wide: float) -> Image.Image:
        canvas = Image.new("L", ((x1 - x0) * factor, (y1 - y0) * factor))
        pen = ImageDraw.Draw(canvas)
        for line in lines:
            path = (line - (x0, y0)) * factor - 0.5  # pillow counts from the centres of pixels
            pen.line(path.ravel().tolist(), fill=255, width=max(round(wide * factor), 1), joint="curve")
        return canvas.reduce(factor)

    return _stroked(picture, (x0, y0), mask, width)


def ring(picture: Image.Image, centre: tuple[float, float]) -> Image.Image:
    """The picture with a small ring around `centre` (x, y), in continuous coordinates."""
    radius = max(min(picture.size) / 36, 5.0)
    width = max(radius / 3.5, 1.5)
    middle = np.array(centre)
    x0, y0, x1, y1 = _within(picture, middle - 2 * radius, middle + 2 * radius)
    if x1 <= x0 or y1 <= y0:  # beyond the picture
        return picture
    x, y = np.arange(x0, x1) + 0.5 - centre[0], np.arange(y0, y1)[:, None] + 0.5 - centre[1]
    from_line = np.abs(np.hypot(x, y) - radius)

    def mask(wide: float) -> Image.Image:
        return Image.fromarray(((wide / 2 + 0.5 - from_line).clip(0, 1) * 255).round().astype(np.uint8))

    return _stroked(picture, (x0, y0), mask, width)


def scaled(box: Box, ratio: tuple[float, float]) -> Box:
    """A box of the photo in a picture of another size; ratio is (across, down)."""
    return box[0] * ratio[0], box[1] * ratio[1], box[2] * ratio[0], box[3] * ratio[1]


def rectangle(
    picture: Image.Image, box: Box, colour: tuple[int, int, int] = WHITE, text: str | None = None
) -> Image.Image:
    """The picture with the outline of a box (x0, y0, x1, y1) in continuous coordinates, and a label in its corner."""
    result = picture.copy()
    pen = ImageDraw.Draw(result)
    width = max(round(min(picture.size) / 150), 2)
    x0, y0, x1, y1 = (round(v) for v in box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    pen.rectangle((x0 - 1, y0 - 1, x1, y1), outline=DARK, width=width + 2)
    pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=width)
    if text:
        _label(pen, (x0, y0), text, colour, picture.size)
    return result


def _label(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    """Words on the box's colour, on top of it where there is room, else in its corner."""
    letters = font(max(round(min(size) / 28), 11), bold=True)
    said = shorten(text, letters, size[0] * 0.9)
    high, wide = line_height(letters), round(letters.getlength(said)) + letters.size // 2
    x = max(min(corner[0], size[0] - round(wide)), 0)
    y = corner[1] - high if corner[1] >= high else max(corner[1], 0)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    ink = DARK if sum(colour) > 380 else WHITE
    pen.text((x + letters.size // 4, y + high / 2), said, fill=ink, font=letters, anchor="lm")


def _within(picture: Image.Image, first: NDArray[np.float64], last: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The whole pixels x0, y0, x1, y1 of the picture between two corners."""
    x0, y0 = np.floor(np.maximum(first, 0)).astype(int).tolist()
    x1, y1 = np.ceil(np.minimum(last, picture.size)).astype(int).tolist()
    return x0, y0, x1, y1


def _stroked(picture: Image.Image, corner: tuple[int, int], mask: _Mask, width: float) -> Image.Image:
    """The picture with a line in white on a dark halo, which is seen on light and on dark."""
    result = picture.copy()
    for colour, wide, opacity in ((DARK, width + max(width, 2.0), 0.6), (WHITE, width, 1.0)):
        result.paste(colour, corner, mask(wide).point([round(v * opacity) for v in range(256)]))
    return result
