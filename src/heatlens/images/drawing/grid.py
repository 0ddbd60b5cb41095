"""Pictures side by side with their names, and the bar that says what the colours mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageDraw

from ...words.errors import BadValue
from .colour import paint
from .overlay import fit
from .text import Font, font, line_height, shorten, wrap

SIDE = 448
"""The longer side of a picture in a grid, in pixels: small photos are enlarged to it, large ones reduced."""
PAPER, INK, FAINT, HAIRLINE = (255, 255, 255), (22, 22, 26), (104, 106, 114), (214, 215, 219)

Cell = tuple[Image.Image, str] | tuple[Image.Image, str, str]
"""A picture, its title, and perhaps a second, paler line."""


def panel(image: Image.Image, title: str, subtitle: str = "", *, side: int = SIDE) -> Image.Image:
    """One picture under its title and subtitle, on white."""
    return grid([(image, title, subtitle)], side=side)


def grid(
    cells: Sequence[Cell],
    *,
    columns: int | None = None,
    side: int = SIDE,
    heading: str = "",
    bar: Image.Image | Sequence[Image.Image] | None = None,
) -> Image.Image:
    """Labelled pictures in rows, the first at the top left, with a heading above and colour bars below.

    Every picture is drawn with a longer side of `side` pixels; by default at most four stand in a row.  Long titles
    are wrapped to two lines, then shortened.  Raises BadValue for no cells, no columns or a tiny side.
    """
    if not cells or (columns is not None and columns < 1) or side < 48:
        raise BadValue(
            f"A grid of {len(cells)} pictures in {columns} columns of {side} pixels",
            "Expected pictures, at least one column and a side of at least 48 pixels",
        )
    look = _Look.of(side)
    pictures = [fit(image.convert("RGB"), side) for image, *_ in cells]
    across = min(columns or _columns(len(cells)), len(cells))
    narrowest = max(round(side * 0.6), 110)
    widths = [max(narrowest, *(picture.width for picture in pictures[i::across])) for i in range(across)]
    drawn = [
        _Cell.of(picture, *words, look=look, width=widths[i % across])
        for i, (picture, (_, *words)) in enumerate(zip(pictures, cells, strict=True))
    ]
    rows = [drawn[i : i + across] for i in range(0, len(drawn), across)]
    page = _Page(look, sum(widths) + look.gutter * (across - 1))
    if heading:
        page.write(heading)
    for row in rows:
        page.add_row(row)
    for one in (bar,) if isinstance(bar, Image.Image) else bar or ():
        page.add(one)
    return page.finished()


def colour_bar(
    *,
    cmap: str | None = None,
    signed: bool = False,
    label: str = "",
    ticks: Sequence[str] | None = None,
    side: int = SIDE,
) -> Image.Image:
    """The colours from left to right with evenly spaced ticks, by default 0 to 1, or -1, 0, +1 if signed.

    `label` says what is measured; `side` is that of the grid it belongs to.
    """
    look = _Look.of(side)
    names = tuple(ticks or (("−1", "0", "+1") if signed else ("0", "0.5", "1")))
    length, thick = max(round(side * 0.6), 120), max(round(side / 40), 6)
    words = shorten(label, look.small, side * 2)
    beside = round(look.small.getlength(words)) + look.gap * 2 if words else 0
    picture = Image.new("RGB", (length + beside, thick + look.gap // 2 + line_height(look.small)), PAPER)
    ramp = np.linspace(-1 if signed else 0, 1, length, dtype=np.float32)
    picture.paste(Image.fromarray(np.repeat(paint(ramp, signed, cmap)[None], thick, axis=0)), (0, 0))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, length - 1, thick - 1), outline=HAIRLINE)
    for i, name in enumerate(names):
        share = i / max(len(names) - 1, 1)
        anchor = "la" if i == 0 else "ra" if i == len(names) - 1 else "ma"
        pen.text((share * length, thick + look.gap // 2), name, FAINT, look.small, anchor)
    pen.text((length + look.gap * 2, thick / 2), words, FAINT, look.small, "lm")
    return picture


def _columns(count: int) -> int:
    return count if count <= 4 else min(max(ceil(sqrt(count)), 3), 6)


@dataclass(frozen=True)
class _Look:
    """Sizes in pixels, all from the size of the pictures."""

    side: int
    margin: int
    gutter: int
    gap: int
    title: Font
    small: Font

    @classmethod
    def of(cls, side: int) -> "_Look":
        return cls(
            side,
            max(side // 16, 14),
            max(side // 18, 12),
            max(side // 48, 6),
            font(max(round(side / 27), 13), bold=True),
            font(max(round(side / 31), 12)),
        )


@dataclass(frozen=True)
class _Cell:
    image: Image.Image
    title: list[str]
    subtitle: list[str]
    width: int
    header: int
    """Height of the words."""

    @classmethod
    def of(cls, image: Image.Image, title: str, subtitle: str = "", *, look: _Look, width: int) -> "_Cell":
        titles, subtitles = wrap(title, look.title, width), wrap(subtitle, look.small, width)
        height = len(titles) * line_height(look.title) + len(subtitles) * line_height(look.small)
        return cls(image, titles, subtitles, width, height + (look.gap if height else 0))


class _Page:
    """Rows put below each other on a page of a known width, which grows as they come."""

    def __init__(self, look: _Look, width: int) -> None:
        self.look, self.width = look, width
        self.rows: list[Image.Image] = []

    def write(self, heading: str) -> None:
        face = font(round(self.look.title.size * 1.25), bold=True)
        strip = Image.new("RGB", (self.width, line_height(face)), PAPER)
        ImageDraw.Draw(strip).text((0, 0), shorten(heading, face, self.width), INK, face, "la")
        self.add(strip)

    def add(self, row: Image.Image) -> None:
        self.rows.append(row)
        self.width = max(self.width, row.width)

    def add_row(self, cells: list[_Cell]) -> None:
        header, tallest = max(c.header for c in cells), max(c.image.height for c in cells)
        row = Image.new("RGB", (self.width, header + tallest), PAPER)
        left = 0
        for cell in cells:
            self._draw(row, cell, left, header)
            left += cell.width + self.look.gutter
        self.add(row)

    def _draw(self, row: Image.Image, cell: _Cell, left: int, header: int) -> None:
        """The words end where the picture begins, so that short titles stay close to theirs."""
        pen, top = ImageDraw.Draw(row), header - cell.header
        for lines, face, ink in ((cell.title, self.look.title, INK), (cell.subtitle, self.look.small, FAINT)):
            for line in lines:
                pen.text((left, top), line, ink, face, "la")
                top += line_height(face)
        row.paste(cell.image, (left, header))

    def finished(self) -> Image.Image:
        margin, gutter = self.look.margin, self.look.gutter
        height = sum(row.height for row in self.rows) + gutter * (len(self.rows) - 1)
        page = Image.new("RGB", (self.width + 2 * margin, height + 2 * margin), PAPER)
        top = margin
        for row in self.rows:
            page.paste(row, (margin, top))
            top += row.height + gutter
        return page
