"""Files of class names, in the forms in which data sets come: a name a line, with or without number or WordNet id."""

import os
import re
from pathlib import Path

from ...targets import Classes
from ...words.errors import BadValue

_NUMBERED = re.compile(r"(?:/\w/)?(.*\S)\s+(\d+)")
"""Places: `/b/bridge 66`."""
_WITH_WNID = re.compile(r"(n\d{8})\s+(.*\S)")
"""ImageNet's synset_words.txt: `n01440764 tench, Tinca tinca`."""


def read_class_file(path: str | os.PathLike[str]) -> Classes:
    """The classes of a text file, in the order of the lines, or of the numbers where every line ends in its own.

    `/b/bridge 66` is class 66, called `bridge`; `n01440764 tench, Tinca tinca` has a WordNet id and a synonym.
    Raises BadValue.
    """
    lines = read_lines(path)
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        found = {int(match[2]): match[1] for match in numbered if match is not None}
        first = min(found, default=0)
        if first in (0, 1) and sorted(found) == list(range(first, first + len(lines))):
            return Classes(tuple(found[number] for number in sorted(found)))
    named = [_WITH_WNID.fullmatch(line) for line in lines]
    if all(named):
        words = [(match[1], [word.strip() for word in match[2].split(",")]) for match in named if match is not None]
        names, synonyms = tuple(one[0] for _, one in words), tuple(tuple(one[1:]) for _, one in words)
        return Classes(names, synonyms, tuple((wnid,) for wnid, _ in words))
    return Classes(tuple(lines))


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a text file that say something.  Raises BadValue."""
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadValue(f"the names {str(path)!r}: {error}", "a text file with one name per line") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise BadValue(f"the names {str(path)!r}: an empty list of names", "a text file with one name per line")
    return found
