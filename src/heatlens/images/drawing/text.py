"""Words in pictures: the font, wrapping, shortening."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

ELLIPSIS = "…"
Font = ImageFont.FreeTypeFont


@lru_cache(64)
def font(size: int, bold: bool = False) -> Font:
    """DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def line_height(font: Font) -> int:
    """The distance from one line to the next in pixels."""
    return round(font.size * 1.35)


def wrap(text: str, font: Font, width: float, lines: int = 2) -> list[str]:
    """The text in at most `lines` lines of `width` pixels; words too long are broken, what is left over becomes …"""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    result: list[str] = []
    while words and len(result) < lines:
        if len(result) == lines - 1:
            return [*result, shorten(" ".join(words), font, width)]
        taken = _fitting(words, font, width)
        if not taken:  # a single word wider than the line
            head = _head(words[0], font, width)
            result.append(head)
            words[0] = words[0][len(head) :]
        else:
            result.append(" ".join(words[:taken]))
            words = words[taken:]
    return result


def shorten(text: str, font: Font, width: float) -> str:
    """The text, cut with … if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    return _head(text, font, width - font.getlength(ELLIPSIS)).rstrip(" ,;:·-(") + ELLIPSIS


def _fitting(words: list[str], font: Font, width: float) -> int:
    """How many words fit on a line."""
    count = 0
    while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
        count += 1
    return count


def _head(text: str, font: Font, width: float) -> str:
    """The longest beginning that fits, at least one letter."""
    count = 1
    while count < len(text) and font.getlength(text[: count + 1]) <= width:
        count += 1
    return text[:count]
